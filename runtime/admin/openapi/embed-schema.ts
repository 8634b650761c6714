/**
 * A handler's own JSON schema as a component of an OpenAPI document.
 *
 * There its root is not the document's root any more, so references such as `#/$defs/Item` would point at nothing.
 * The standard's way out, an `$id` for each, is ignored by most tools; so references become pointers from the
 * document's root, and `$id`s and anchors, which might meet their like of another handler, go.
 *
 * Invariants: every reference of the result is an absolute URI of something outside or resolves within the
 * document; words of older drafts that 2020-12 would read as malformed are translated.
 */

type Node = Readonly<Record<string, unknown>>;

/** Keywords whose value is data, whatever it looks like. */
const DATA = new Set(['const', 'enum', 'default', 'example', 'examples']);
/** Keywords whose members are schemas under names of the user's. */
const MAPS = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependencies',
]);
const REFERENCES = ['$ref', '$dynamicRef', '$recursiveRef'];
const DROPPED = new Set([...REFERENCES, '$schema', '$id', '$anchor', '$dynamicAnchor', '$recursiveAnchor']);

/** Where a schema without a name of its own lives while its references are resolved. */
const NOWHERE = 'schema:///';

/** A part of the schema that references may name, by its JSON pointer from the schema's root. */
interface Resource {
  readonly node: unknown;
  readonly pointer: string;
}

/** A manifest may have any JSON in the place of a schema. */
export const isSchema = (value: unknown): value is Node | boolean =>
  isNode(value) || typeof value === 'boolean';

/** `at` is the component that it becomes. */
export function embedSchema(schema: Node | boolean, at: string): unknown {
  if (typeof schema === 'boolean') return schema;
  const modern = modernized(schema) as Node;
  const resources = new Map<string, Resource>();
  index(modern, NOWHERE, '', resources);
  return rewritten(modern, NOWHERE, resources, `#/components/schemas/${at}`);
}

/** Calls `visit` for every schema directly below, with its path. */
function children(node: Node, visit: (child: unknown, path: string) => void): void {
  for (const [key, value] of Object.entries(node)) {
    if (DATA.has(key)) continue;
    if (MAPS.has(key) && isNode(value)) {
      for (const [name, child] of Object.entries(value)) visit(child, `/${escaped(key)}/${escaped(name)}`);
    } else if (Array.isArray(value)) {
      for (const [i, child] of value.entries()) visit(child, `/${escaped(key)}/${i}`);
    } else visit(value, `/${escaped(key)}`);
  }
}

function index(node: unknown, base: string, pointer: string, resources: Map<string, Resource>): void {
  if (!isNode(node)) return;
  const here = baseOf(node, base);
  if (here !== base || pointer === '') resources.set(here, { node, pointer });
  for (const keyword of ['$anchor', '$dynamicAnchor']) {
    const name = node[keyword];
    if (typeof name === 'string') resources.set(`${here}#${name}`, { node, pointer });
  }
  children(node, (child, path) => index(child, here, pointer + path, resources));
}

/** What references inside the node are relative to. */
function baseOf(node: Node, base: string): string {
  const id = node['$id'];
  if (typeof id !== 'string') return base;
  const [url = base] = (absolute(id, base) ?? base).split('#');
  return url;
}

function absolute(reference: string, base: string): string | undefined {
  return URL.canParse(reference, base) ? new URL(reference, base).href : undefined;
}

function rewritten(
  node: unknown,
  base: string,
  resources: ReadonlyMap<string, Resource>,
  at: string,
): unknown {
  if (!isNode(node)) return node;
  const here = baseOf(node, base);
  const reference = REFERENCES.map(keyword => node[keyword]).find(value => typeof value === 'string');
  const copy: (readonly [string, unknown])[] = [];
  if (typeof reference === 'string') copy.push(target(reference, here, resources, at));
  const recur = (child: unknown): unknown => rewritten(child, here, resources, at);
  for (const [key, value] of Object.entries(node)) {
    if (DROPPED.has(key)) continue;
    copy.push([key, DATA.has(key) ? value : mapped(key, value, recur)]);
  }
  return Object.fromEntries(copy);
}

function target(
  reference: string,
  base: string,
  resources: ReadonlyMap<string, Resource>,
  at: string,
): readonly [string, unknown] {
  const url = absolute(reference, base);
  const [document = '', fragment = ''] = url?.split('#') ?? [];
  const resource = resources.get(document);
  if (resource !== undefined && (fragment === '' || fragment.startsWith('/'))) {
    if (resolves(resource.node, fragment)) return ['$ref', `${at}${asFragment(resource.pointer)}${fragment}`];
  } else if (resource !== undefined) {
    const anchored = resources.get(`${document}#${fragment}`);
    if (anchored !== undefined) return ['$ref', `${at}${asFragment(anchored.pointer)}`];
  } else if (url !== undefined && !url.startsWith(NOWHERE)) return ['$ref', url];
  return ['$comment', `the schema has nothing at ${reference.slice(0, 200)}`];
}

function resolves(node: unknown, fragment: string): boolean {
  let at = node;
  for (const part of fragment.split('/').slice(1)) {
    if (typeof at !== 'object' || at === null) return false;
    const name = unescaped(part);
    if (name === undefined || !Object.hasOwn(at, name)) return false;
    at = (at as Node)[name];
  }
  return isNode(at) || typeof at === 'boolean';
}

/** Tuples were an `items` list before 2020-12; exclusive bounds were flags before draft 6. */
function modernized(node: unknown): unknown {
  if (!isNode(node)) return node;
  const modern: (readonly [string, unknown])[] = [];
  const names = Array.isArray(node['items']) ? TUPLE : NO_NAMES;
  for (const [key, value] of Object.entries(node)) {
    const bound = BOUND_OF.get(key);
    if (bound !== undefined && typeof value === 'boolean') {
      if (value && node[bound] !== undefined) modern.push([key, node[bound]]);
      continue;
    }
    // It has become the value of the exclusive one.
    if (EXCLUSIVES.has(key) && node[EXCLUSIVES.get(key) ?? ''] === true) continue;
    modern.push([names.get(key) ?? key, DATA.has(key) ? value : mapped(key, value, modernized)]);
  }
  return Object.fromEntries(modern);
}

const BOUND_OF = new Map([
  ['exclusiveMinimum', 'minimum'],
  ['exclusiveMaximum', 'maximum'],
]);
const EXCLUSIVES = new Map([...BOUND_OF].map(([exclusive, bound]) => [bound, exclusive] as const));
const TUPLE = new Map([
  ['items', 'prefixItems'],
  ['additionalItems', 'items'],
]);
const NO_NAMES: typeof TUPLE = new Map();

/** The value of a keyword with every schema in it replaced. */
function mapped(key: string, value: unknown, replace: (schema: unknown) => unknown): unknown {
  if (MAPS.has(key) && isNode(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, replace(child)]));
  }
  return Array.isArray(value) ? value.map(replace) : replace(value);
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
const asFragment = (pointer: string): string => encodeURI(pointer.toWellFormed()).replaceAll('#', '%23');

function unescaped(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}
