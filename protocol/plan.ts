/**
 * A message of `schema.ts`, compiled at its first use into what the codec's loops need: fields in ascending order for
 * the encoder, fields by wire tag for the decoder.
 *
 * Invariants: `byTag` holds exactly the tags (number and wire type) that the decoder accepts, so a hit needs
 * no further check of the wire type; `fields` ascends by number, which makes the encoding canonical.
 */
import { type FieldKind, KINDS, UINT64, VALUE, VOID } from './kinds.ts';
import type { Fields } from './schema.ts';

export const VARINT = 0;
export const DELIMITED = 2;

/** A message while the codec works on it; the public functions give it its type. */
export type Draft = { [field: string]: unknown };

export interface FieldPlan {
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  /** Written whenever set, even if it equals its default. */
  readonly explicit: boolean;
  /** A bit for the `oneof` that it is a member of, or 0. */
  readonly oneof: number;
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

/** By kind. */
const DEFAULTS: readonly unknown[] = [false, 0, 0, 0n, '', EMPTY];
const ONEOFS: { readonly [rule: string]: number } = { result: 1, id: 2, target: 4, signal: 8 };
/** `Value` and `Void`, which the codec flattens to their one content. */
const FLATTENED: { readonly [kind: number]: Fields } = { [VALUE]: { content: 'bytes 1' }, [VOID]: {} };

// By the identity of the fields: notifications share them, and a future contains itself.
const compiled = new Map<Fields, Plan>();

export function planOf(table: Fields): Plan {
  const known = compiled.get(table);
  if (known) return known;
  const fields: FieldPlan[] = [];
  const byTag: FieldPlan[] = [];
  const defaults: Draft = {};
  const plan: Plan = { fields, byTag, defaults };
  compiled.set(table, plan);
  for (const [name, field] of Object.entries(table)) {
    const [text, contentOf] = typeof field === 'string' ? [field] : field;
    const [word, number, rule = ''] = text.split(' ');
    const kind = KINDS.indexOf(word as string) as FieldKind;
    const isVarint = kind <= UINT64;
    const content = contentOf?.() ?? FLATTENED[kind];
    const repeated = rule === 'repeated';
    const varintTag = Number(number) << 3;
    const compiledField: FieldPlan = {
      name,
      kind,
      repeated,
      explicit: rule > '',
      oneof: ONEOFS[rule] ?? 0,
      tag: varintTag | (isVarint && !repeated ? VARINT : DELIMITED),
      nested: content && planOf(content),
    };
    fields.push(compiledField);
    byTag[compiledField.tag] = compiledField;
    // A list of integers may come packed (as we write it) or one by one.
    if (isVarint) byTag[varintTag] = compiledField;
    if (!rule) defaults[name] = DEFAULTS[kind];
    else if (repeated) defaults[name] = NO_ELEMENTS;
  }
  fields.sort((a, b) => a.tag - b.tag);
  return plan;
}
