/**
 * Field-wise comparison of a recorded command with the one the code issues now, driven by the message table.
 *
 * Invariant: a field left out and a field set to its default are the same when it has implicit presence, and
 * differ when it is optional: exactly the distinction the wire makes.
 */
import type { FieldSpec, Fields } from '@holdfast/protocol';

type Values = Readonly<Record<string, unknown>>;

/** The name of the first field that differs, or undefined. */
export function firstDifference(
  fields: Fields,
  ignored: readonly string[],
  recorded: Values,
  issued: Values,
): string | undefined {
  for (const name in fields) {
    const spec = fields[name];
    if (spec === undefined || ignored.includes(name)) continue;
    if (!sameField(spec, recorded[name], issued[name])) return name;
  }
  return undefined;
}

function sameField(spec: FieldSpec<unknown>, recorded: unknown, issued: unknown): boolean {
  if (spec.repeated) {
    const left = (recorded ?? []) as readonly unknown[];
    const right = (issued ?? []) as readonly unknown[];
    return left.length === right.length && left.every((item, i) => sameValue(spec, item, right[i]));
  }
  if (spec.optional && (recorded === undefined || issued === undefined)) return recorded === issued;
  return sameValue(spec, recorded, issued);
}

function sameValue(spec: FieldSpec<unknown>, recorded: unknown, issued: unknown): boolean {
  switch (spec.kind) {
    case 'bytes':
    case 'value':
      return sameBytes((recorded ?? EMPTY) as Uint8Array, (issued ?? EMPTY) as Uint8Array);
    case 'message': {
      const nested = spec.nested?.();
      return (
        nested !== undefined &&
        firstDifference(nested, [], asValues(recorded), asValues(issued)) === undefined
      );
    }
    default:
      // The default of every other kind is falsy, and nothing else of it is.
      return (recorded || false) === (issued || false);
  }
}

const EMPTY = new Uint8Array();
const asValues = (value: unknown): Values => (value ?? {}) as Values;

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}
