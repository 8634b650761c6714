/** Damage to JSON: to its values and names, to its text, and to the things that JSON allows and programs forget. */
import type { SimRandom } from '../sim/random.ts';
import { mutateBytes } from './mutate-bytes.ts';

const LEAVES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  0.5,
  1e308,
  -0,
  2 ** 31,
  2 ** 53,
  2 ** 64,
  '',
  '0',
  'é',
  '\ud800',
  '\u0000',
  '\u2028',
  '__proto__',
  'constructor',
  '%',
  '%00',
  '../..',
  'a'.repeat(300),
  '*/*',
  'SERVICE',
  'VIRTUAL_OBJECT',
  'WORKFLOW',
  'SHARED',
  'EXCLUSIVE',
  'PT1S',
  '9'.repeat(40),
  [],
  {},
];
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'length', 'a', '\ud800'];

type Node = readonly unknown[] | { readonly [name: string]: unknown };
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** `JSON.parse` keeps `__proto__` as an own member; spreading and assigning would not. */
function withMember(object: Node, name: string, value: unknown): Node {
  const copy: Record<string, unknown> = {};
  const set = (key: string, member: unknown): void => {
    Object.defineProperty(copy, key, { value: member, enumerable: true, configurable: true, writable: true });
  };
  for (const [key, member] of Object.entries(object)) set(key, member);
  set(name, value);
  return copy;
}

function without(node: Node, key: string): Node {
  if (Array.isArray(node)) return node.filter((_, i) => String(i) !== key);
  return Object.fromEntries(Object.entries(node).filter(([name]) => name !== key));
}

function replaced(node: Node, key: string, value: unknown): Node {
  if (Array.isArray(node)) return node.map((member, i) => (String(i) === key ? value : member));
  return withMember(node, key, value);
}

function deep(random: SimRandom, value: unknown): unknown {
  const asArray = random.chance(0.5);
  let nested = value;
  for (let level = random.int(1, 200); level > 0; level--) nested = asArray ? [nested] : { a: nested };
  return nested;
}

/** Another one of its kind, so that what checks kinds lets it through. */
function alike(random: SimRandom, value: unknown): unknown {
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + random.pick([-1, 1, 1000]);
  if (typeof value !== 'string') return value;
  const i = random.int(0, value.length);
  return `${value.slice(0, i)}${random.pick(['a', 'Z', '_', '1', '.', '-', '/'])}${value.slice(i + random.int(0, 1))}`;
}

function leaf(random: SimRandom, value: unknown): unknown {
  if (random.chance(0.4)) return alike(random, value);
  if (typeof value === 'string' && random.chance(0.5)) {
    const i = random.int(0, value.length);
    return value.slice(0, i) + String(random.pick(LEAVES)) + value.slice(random.int(i, value.length));
  }
  if (typeof value === 'number' && random.chance(0.5)) return value * random.pick([-1, 2, 0.5, 1e9, 1e300]);
  return random.pick(LEAVES);
}

function changeMember(random: SimRandom, node: Node, key: string, value: unknown, other: unknown): Node {
  const how = random.int(0, 7);
  if (how === 0) return without(node, key);
  if (how === 1) return replaced(node, key, deep(random, value));
  if (how === 2) return replaced(node, key, other);
  if (Array.isArray(node)) {
    if (how > 4) return replaced(node, key, leaf(random, value));
    const copies = Array.from({ length: random.chance(0.9) ? 1 : random.int(2, 300) }, () => value);
    return [...node, ...copies];
  }
  if (how === 3) return withMember(without(node, key), random.pick(NAMES), value);
  if (how === 4) return withMember(node, random.pick(NAMES), random.pick(LEAVES));
  return replaced(node, key, leaf(random, value));
}

/** One change somewhere in the tree. */
function mutateJson(random: SimRandom, value: unknown, other: unknown): unknown {
  if (!isNode(value)) return leaf(random, value);
  const entries = Object.entries(value);
  if (entries.length === 0) return random.chance(0.5) ? withMember(value, random.pick(NAMES), other) : other;
  // Most of a document lies in its depth, most of its members at the surface do not.
  const nodes = entries.filter(([, member]) => isNode(member));
  if (nodes.length > 0 && random.chance(0.75)) {
    const [key, node] = random.pick(nodes);
    return replaced(value, key, mutateJson(random, node, other));
  }
  const [key, member] = random.pick(entries);
  return changeMember(random, value, key, member, anyIn(random, other));
}

function anyIn(random: SimRandom, value: unknown): unknown {
  let found = value;
  while (isNode(found) && random.chance(0.7)) {
    const members: readonly unknown[] = Object.values(found);
    if (members.length === 0) break;
    found = random.pick(members);
  }
  return found;
}

export function parsed(text: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(text).toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Of a text that is JSON mostly the values, else the text. */
export function mutateJsonText(random: SimRandom, input: Uint8Array, other: Uint8Array): Uint8Array {
  const value = parsed(input);
  if (value === undefined || random.chance(0.15)) return mutateBytes(random, input, other);
  const text = JSON.stringify(mutateJson(random, value, parsed(other) ?? null)) ?? 'null';
  // Members that are there twice cannot be made from values.
  if (random.chance(0.03)) return Buffer.from(text.replace(/\{("[^"]+":[^{},[\]]+),/, '{$1,$1,'));
  return Buffer.from(text);
}
