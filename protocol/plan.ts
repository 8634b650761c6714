/**
 * The message table of `schema.ts`, compiled once at module load into what the codec's loops need: fields in
 * ascending order for the encoder, fields by wire tag for the decoder.
 *
 * Invariants: `byTag` holds exactly the tags (number and wire type) that the decoder accepts, so a hit needs
 * no further check of the wire type; `fields` ascends by number, which makes the encoding canonical.
 */
import { type FieldKind, type FieldSpec, type Fields, type MessageName, messages } from './schema.ts';

export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const START_GROUP = 3;
export const END_GROUP = 4;
export const FIXED32 = 5;

// Small integers rather than the names: the switch over them is on the hot path.
export const BOOL = 0;
export const UINT32 = 1;
export const TIME = 2;
export const UINT64 = 3;
export const STRING = 4;
export const BYTES = 5;
export const VALUE = 6;
export const VOID = 7;
export const MESSAGE = 8;

const KINDS: { readonly [K in FieldKind]: number } = {
  bool: BOOL,
  uint32: UINT32,
  time: TIME,
  uint64: UINT64,
  string: STRING,
  bytes: BYTES,
  value: VALUE,
  void: VOID,
  message: MESSAGE,
};

/** A message while the codec works on it; the public functions give it its type. */
export type Draft = { [field: string]: unknown };

export interface FieldPlan {
  readonly name: string;
  /** As the encoder writes it: `number << 3 | wire type`. */
  readonly tag: number;
  readonly kind: number;
  readonly repeated: boolean;
  /** Written whenever set, even if it equals its default. */
  readonly explicit: boolean;
  /** The bit of its `oneof` in a set of bits per message, 0 if in none. */
  readonly oneof: number;
  /** The other members of its `oneof`. */
  readonly rivals: readonly string[];
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

// By the identity of the table: notifications share one, and a future contains itself.
const compiled = new Map<Fields, Plan>();

function compile(table: Fields): Plan {
  const known = compiled.get(table);
  if (known !== undefined) return known;
  const fields: FieldPlan[] = [];
  const byTag: (FieldPlan | undefined)[] = [];
  const defaults: Draft = {};
  const plan: Plan = { fields, byTag, defaults };
  compiled.set(table, plan);

  const entries = Object.entries(table).sort(([, a], [, b]) => a.number - b.number);
  const groups = [...new Set(entries.map(([, field]) => field.oneof))].filter(group => group !== undefined);
  for (const [name, spec] of entries) {
    const field = compileField(name, spec, entries, groups);
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

function compileField(
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: the table holds fields of every type
  spec: FieldSpec<any>,
  entries: readonly (readonly [string, FieldSpec<unknown>])[],
  groups: readonly string[],
): FieldPlan {
  const kind = KINDS[spec.kind];
  const wireType = kind <= UINT64 && !spec.repeated ? VARINT : DELIMITED;
  const inGroup = entries.filter(([other, { oneof }]) => oneof === spec.oneof && other !== name);
  return {
    name,
    tag: (spec.number << 3) | wireType,
    kind,
    repeated: spec.repeated,
    explicit: spec.optional || spec.repeated,
    oneof: spec.oneof === undefined ? 0 : 1 << groups.indexOf(spec.oneof),
    rivals: spec.oneof === undefined ? [] : inGroup.map(([other]) => other),
    nested: spec.nested === undefined ? undefined : compile(spec.nested()),
  };
}

export interface MessagePlan {
  readonly name: MessageName;
  readonly type: number;
  readonly plan: Plan;
}

export const planByName = new Map<string, MessagePlan>();
export const planByType = new Map<number, MessagePlan>();
for (const [name, { type, fields }] of Object.entries(messages)) {
  const message = { name: name as MessageName, type, plan: compile(fields) };
  planByName.set(name, message);
  planByType.set(type, message);
}

/** `Value{content:bytes=1}` and `Void{}`, which the table flattens to their one content. */
export const valuePlan = compile({
  content: { number: 1, kind: 'bytes', repeated: false, optional: false },
});
export const voidPlan = compile({});
