import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { createRingMemory, RingConsumer, RingProducer } from './ring.ts';
import { seeded } from './testing/seeded.ts';

function pair(capacityBytes: number) {
  const { port1, port2 } = new MessageChannel();
  const memory = createRingMemory(capacityBytes);
  const close = () => port1.close();
  return { producer: new RingProducer(memory, port1), consumer: new RingConsumer(memory, port2), close };
}

test('records of every size come out as they went in, around the end and through the port', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const { producer, consumer, close } = pair(256);
    let sent = 0;
    let received = 0;
    while (received < 500) {
      // Up to 100: a quarter of the ring is 64, beyond which a record goes through the port.
      const record = new Uint8Array(Math.floor(random() * 100)).fill(sent);
      while (random() < 0.8 && producer.put(record.fill(sent).slice())) sent += 1;
      if (random() < 0.8) producer.publish();
      for (const taken of consumer.take()) {
        expect(new Set(taken)).toEqual(taken.length === 0 ? new Set() : new Set([received & 0xff]));
        received += 1;
      }
      if (random() < 0.8) consumer.release();
    }
    close();
  }
});

test('what is not released is not overwritten', () => {
  const { producer, consumer, close } = pair(64);
  while (producer.put(new Uint8Array(12).fill(1)));
  producer.publish();
  const taken = consumer.take();
  expect(taken.length).toBe(4);
  expect(producer.put(new Uint8Array(12).fill(2))).toBe(false);
  consumer.release();
  expect(producer.put(new Uint8Array(12).fill(2))).toBe(true);
  close();
});

test('a wake-up between looking and sleeping is not lost; a stop comes after what was published', () => {
  const { producer, consumer, close } = pair(64);
  expect(consumer.take()).toEqual([]);
  expect(consumer.wait(1)).toBe(false);
  producer.put(new Uint8Array(1));
  producer.publish();
  producer.stop();
  expect(consumer.wait(10_000)).toBe(true);
  expect(consumer.take().length).toBe(1);
  expect(consumer.take()).toEqual([]);
  expect(consumer.isStopped).toBe(true);
  close();
});

test('a record in a buffer that others share is copied, one of its own is given away', () => {
  const { producer, consumer, close } = pair(64);
  const shared = new Uint8Array(200).subarray(50, 150).fill(5);
  const own = new Uint8Array(100).fill(6);
  producer.put(shared);
  producer.put(own);
  producer.publish();
  expect([...consumer.take(), ...consumer.take()].map(bytes => [bytes.length, bytes[0]])).toEqual([
    [100, 5],
    [100, 6],
  ]);
  expect([shared.length, own.length]).toEqual([100, 0]);
  close();
});
