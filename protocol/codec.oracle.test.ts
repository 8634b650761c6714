/** The codec against @bufbuild/protobuf, with descriptors that do not come from `schema.ts`. */
import { create, type DescField, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMessage, encodeFrame, type MessageInput, type MessageName, messages } from './named.ts';
import { frameTypes, type OracleMessage, toOurs } from './service-protocol.testkit.ts';

const SEED = 20261120;
const RUNS = 60;

const bytes = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 100, maxLength: 300 }));
const text = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  // Around the widths of a length prefix and the thresholds of the short-text loops.
  fc.integer({ min: 20, max: 140 }).map(length => 'x'.repeat(length)),
  fc.constantFrom(
    'caf\u00e9',
    '\u4e2d'.repeat(30_000),
    '\u00e9'.repeat(64),
    '\ufeffbom',
    '\u{1f600}',
    '\0',
    'y'.repeat(20_000),
  ),
);
const uint32 = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(127, 128, 0x80000000, 0xffffffff),
);
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.constantFrom(0n, 1n, (1n << 32n) - 1n, 1n << 32n, (1n << 53n) - 1n),
);

function scalar(field: DescField): fc.Arbitrary<unknown> {
  if (field.enum !== undefined) return fc.oneof(fc.nat(4), fc.nat(0x7fffffff));
  const of: { readonly [type: number]: fc.Arbitrary<unknown> } = {
    4: uint64,
    8: fc.boolean(),
    9: text,
    12: bytes,
    13: uint32,
  };
  return of[field.scalar ?? 0] ?? fc.constant(undefined);
}

function fieldValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const one = field.message === undefined ? scalar(field) : message(field.message, depth - 1);
  return field.fieldKind === 'list' ? fc.array(one, { maxLength: depth > 0 ? 3 : 0 }) : one;
}

/** An initializer of the oracle for any message of a type. */
function message(desc: DescMessage, depth: number): fc.Arbitrary<OracleMessage> {
  if (depth < 0) return fc.constant(create(desc) as OracleMessage);
  const parts = desc.members.map(member => {
    if (member.kind === 'field') {
      return fc.option(
        fieldValue(member, depth).map(value => [member.localName, value] as const),
        { nil: undefined },
      );
    }
    const cases = member.fields.map(field =>
      fieldValue(field, depth).map(
        value => [member.localName, { case: field.localName, value }] as readonly [string, unknown],
      ),
    );
    return fc.option(fc.oneof(...cases), { nil: undefined });
  });
  return fc.tuple(...parts).map(chosen => {
    const set = chosen.filter(part => part !== undefined);
    return create(desc, Object.fromEntries(set)) as OracleMessage;
  });
}

const ours = (name: string) => name as MessageName;

test('the table has the type codes of the protocol and no others', () => {
  const table = Object.entries(messages).map(([name, { type }]) => ({ name, type }));
  expect(table).toEqual(frameTypes.map(({ name, type }) => ({ name, type })));
});

test.each(frameTypes)(
  '$name: our bytes are the oracle’s, and both read them alike',
  ({ name, desc, type }) => {
    fc.assert(
      fc.property(message(desc, 3), theirs => {
        const expected = toBinary(desc, theirs);
        const mine = toOurs(desc, theirs) as MessageInput<MessageName>;
        // Times are numbers and saturate: such a message cannot keep its bytes.
        const saturated = JSON.stringify(mine, (_, value) =>
          typeof value === 'bigint' || value instanceof Uint8Array ? 0 : value,
        ).includes(String(Number.MAX_SAFE_INTEGER));
        if (!saturated) {
          const frame = encodeFrame(ours(name), mine);
          expect([frame[0], frame[1]]).toEqual([type >> 8, type & 0xff]);
          expect(Buffer.compare(frame.subarray(8), expected)).toBe(0);
        }
        expect(decodeMessage(ours(name), expected)).toEqual(mine);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  },
);

test.each(frameTypes)('$name: two encodings in a row merge as the oracle merges them', ({ name, desc }) => {
  fc.assert(
    fc.property(message(desc, 2), message(desc, 2), (first, second) => {
      const both = new Uint8Array(Buffer.concat([toBinary(desc, first), toBinary(desc, second)]));
      const merged = fromBinary(desc, both) as OracleMessage;
      expect(decodeMessage(ours(name), both)).toEqual(toOurs(desc, merged));
    }),
    { seed: SEED, numRuns: RUNS / 2 },
  );
});
