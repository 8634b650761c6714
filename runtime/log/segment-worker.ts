/**
 * The writer's thread: takes records from the ring, writes them, reports. An adapter; the decisions are in
 * segment-writer.ts.
 *
 * Invariants: everything waiting is one write, and one message back. Filling ahead happens while nothing waits. The
 * thread sleeps in the kernel when there is nothing to do; it wakes once more after a second of quiet to mark the
 * watermark, and every second while the disk is full.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { CodedError } from '../platform/error.ts';
import { nodeDisk } from '../platform/node-disk.ts';
import { RingConsumer, type RingMemory } from './ring.ts';
import { type SegmentSettings, SegmentWriter } from './segment-writer.ts';

export interface WorkerStart {
  readonly settings: SegmentSettings;
  readonly ring: RingMemory;
}

/** A number says how many more records are durable. */
export type WorkerReport =
  | number
  | { readonly kind: 'opened'; readonly epoch: number; readonly durable: number }
  | { readonly kind: 'space'; readonly isLow: boolean }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const QUIET_MS = 1000;

function run(port: NonNullable<typeof parentPort>, { settings, ring: memory }: WorkerStart): void {
  const report = (message: WorkerReport) => port.postMessage(message);
  const ring = new RingConsumer(memory, port);
  try {
    const writer = new SegmentWriter(nodeDisk, settings);
    report({ kind: 'opened', epoch: writer.epoch, durable: writer.durable });
    serve(writer, ring, report);
    writer.close();
  } catch (error) {
    // A bug goes the way of all bugs: an uncaught exception, which the main thread takes for a failed log.
    if (!(error instanceof CodedError)) throw error;
    report({ kind: 'failed', code: error.code, message: error.message });
  }
}

/** Until the main thread stops the ring. */
function serve(writer: SegmentWriter, ring: RingConsumer, report: (message: WorkerReport) => void): void {
  let wasLow = false;
  const fillAhead = (busy: boolean): boolean => {
    const isMoreDue = writer.prepare(busy);
    if (writer.isSpaceLow !== wasLow) report({ kind: 'space', isLow: writer.isSpaceLow });
    wasLow = writer.isSpaceLow;
    return isMoreDue;
  };
  for (;;) {
    const records = ring.take();
    if (records.length > 0) {
      writer.write(records);
      ring.release();
      report(records.length);
      fillAhead(true);
    } else if (ring.isStopped) {
      return;
    } else if (!fillAhead(false)) {
      const isQuiet = writer.isMarked && !writer.isSpaceLow;
      if (!ring.wait(isQuiet ? Number.POSITIVE_INFINITY : QUIET_MS)) writer.mark();
    }
  }
}

if (parentPort === null) throw new Error('segment-worker.ts runs as a worker thread only');
run(parentPort, workerData);
// An open port would keep the thread, and what it uses, alive.
parentPort.close();
