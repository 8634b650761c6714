/**
 * A message of `schema.ts`, compiled at its first use into what the codec's loops need: fields in ascending order for
 * the encoder, fields by wire tag for the decoder.
 *
 * Invariants: `byTag` holds exactly the tags (number and wire type) that the decoder accepts, so a hit needs
 * no further check of the wire type; `fields` ascends by number, which makes the encoding canonical.
 */
import { UINT64 } from './kinds.ts';
import { type FieldSpec, type Fields, flattened } from './schema.ts';

export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const FIXED32 = 5;

/** A message while the codec works on it; the public functions give it its type. */
export type Draft = { [field: string]: unknown };

export interface FieldPlan extends Omit<FieldSpec<unknown>, 'nested'> {
  readonly name: string;
  /** As the encoder writes it: `number << 3 | wire type`. */
  readonly tag: number;
  /** Of a message, and of what is one on the wire. */
  readonly nested: Plan | undefined;
}

export interface Plan {
  readonly fields: readonly FieldPlan[];
  readonly byTag: readonly (FieldPlan | undefined)[];
  /** What a message without any field on the wire decodes to. */
  readonly defaults: Draft;
}

export const EMPTY = new Uint8Array(0);
/** The default of every repeated field. Shared, hence frozen; the decoder replaces it at the first element. */
export const NO_ELEMENTS: readonly unknown[] = Object.freeze([]);

const DEFAULTS: readonly unknown[] = [false, 0, 0, 0n, '', EMPTY];

// By the identity of the fields: notifications share them, and a future contains itself.
const compiled = new Map<Fields, Plan>();

export function planOf(table: Fields): Plan {
  const known = compiled.get(table);
  if (known) return known;
  const fields: FieldPlan[] = [];
  const byTag: (FieldPlan | undefined)[] = [];
  const defaults: Draft = {};
  const plan: Plan = { fields, byTag, defaults };
  compiled.set(table, plan);
  for (const [name, spec] of Object.entries(table).sort(([, a], [, b]) => a.number - b.number)) {
    const field = compileField(name, spec);
    fields.push(field);
    byTag[field.tag] = field;
    // A list of integers may come packed (as we write it) or one by one.
    if (field.repeated && field.kind <= UINT64) byTag[(spec.number << 3) | VARINT] = field;
    if (field.repeated) defaults[name] = NO_ELEMENTS;
    else if (!field.explicit) defaults[name] = DEFAULTS[field.kind];
  }
  // No holes: reading one would make the engine look up the prototype chain.
  for (let tag = 0; tag < byTag.length; tag++) byTag[tag] ??= undefined;
  return plan;
}

function compileField(name: string, spec: FieldSpec<unknown>): FieldPlan {
  const { kind, number, repeated, nested } = spec;
  const content = nested?.() ?? flattened[kind];
  const wireType = kind <= UINT64 && !repeated ? VARINT : DELIMITED;
  return { ...spec, nested: content && planOf(content), name, tag: (number << 3) | wireType };
}

/** The other members of the `oneof` of a field. */
export const rivalsOf = (plan: Plan, { name, oneof }: FieldPlan): string[] =>
  plan.fields.filter(other => other.oneof === oneof && other.name !== name).map(other => other.name);

/**
 * The halves of a u64, lower one first: what JavaScript runs on is little-endian. Filled and read within one call.
 */
export const u64 = new BigUint64Array(1);
export const u64Halves = new Uint32Array(u64.buffer);
