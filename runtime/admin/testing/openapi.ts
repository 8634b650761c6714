/**
 * Test support: what is wrong with a document as OpenAPI 3.1, by the rules of its specification that a generator
 * can break. Schemas are not judged beyond their references.
 */

type Node = Readonly<Record<string, unknown>>;

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);
const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function problemsOf(document: unknown): string[] {
  const problems: string[] = [];
  if (!isNode(document)) return ['it is no object'];
  // What a reader gets is what is serialized.
  const root = JSON.parse(JSON.stringify(document)) as Node;
  if (!/^3\.1\.\d+$/.test(String(root['openapi']))) problems.push('openapi is not 3.1');
  const info = root['info'] as Node;
  if (typeof info?.['title'] !== 'string' || typeof info['version'] !== 'string') problems.push('info');
  for (const [section, members] of Object.entries((root['components'] as Node) ?? {})) {
    for (const name of Object.keys(members as Node)) {
      if (!/^[a-zA-Z0-9._-]+$/.test(name)) problems.push(`components.${section}.${name} is no name`);
    }
  }
  references(root, root, '', problems);
  paths(root, problems);
  return problems;
}

function references(root: Node, value: unknown, at: string, problems: string[]): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) references(root, item, `${at}/${i}`, problems);
  } else if (isNode(value)) {
    const ref = value['$ref'];
    if (typeof ref === 'string' && resolve(root, ref) === undefined)
      problems.push(`${at}: ${ref} is nowhere`);
    for (const [key, member] of Object.entries(value)) {
      // Data of schemas, which may look like anything.
      if (!['const', 'enum', 'default', 'examples'].includes(key))
        references(root, member, `${at}/${key}`, problems);
    }
  }
}

function resolve(root: Node, ref: string): unknown {
  if (!ref.startsWith('#')) return URL.canParse(ref) ? ref : undefined;
  let at: unknown = root;
  for (const part of ref.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = (at as Node | undefined)?.[name];
  }
  return at;
}

function followed(root: Node, value: unknown): Node {
  const ref = isNode(value) ? value['$ref'] : undefined;
  return (typeof ref === 'string' ? resolve(root, ref) : value) as Node;
}

function paths(root: Node, problems: string[]): void {
  const ids = new Set<unknown>();
  const templates = new Set<string>();
  for (const [path, item] of Object.entries(root['paths'] as Node)) {
    const template = path.replace(/\{[^}]*\}/g, '{}');
    if (!path.startsWith('/') || templates.has(template)) problems.push(`${path}: not a path of its own`);
    templates.add(template);
    for (const [method, value] of Object.entries(item as Node)) {
      const at = `${method} ${path}`;
      const operation = value as Node;
      if (!METHODS.has(method)) problems.push(`${at}: no method`);
      if (typeof operation['operationId'] !== 'string' || ids.has(operation['operationId'])) {
        problems.push(`${at}: operationId`);
      }
      ids.add(operation['operationId']);
      if (typeof operation['summary'] !== 'string') problems.push(`${at}: no summary`);
      parameters(root, path, operation, at, problems);
      responses(root, operation, at, problems);
      if (operation['requestBody'] !== undefined) media(operation['requestBody'] as Node, true, at, problems);
    }
  }
}

function parameters(root: Node, path: string, operation: Node, at: string, problems: string[]): void {
  const seen = new Set<string>();
  for (const given of (operation['parameters'] as unknown[]) ?? []) {
    const { name, in: where, required, schema } = followed(root, given);
    const id = `${where} ${name}`;
    if (seen.has(id) || !isNode(schema)) problems.push(`${at}: parameter ${id}`);
    seen.add(id);
    if (!['path', 'query', 'header', 'cookie'].includes(String(where))) problems.push(`${at}: ${id}`);
    if (where === 'path' && (required !== true || !path.includes(`{${name}}`))) problems.push(`${at}: ${id}`);
  }
  for (const [, name] of path.matchAll(/\{([^}]*)\}/g)) {
    if (!seen.has(`path ${name}`)) problems.push(`${at}: {${name}} is not declared`);
  }
}

function responses(root: Node, operation: Node, at: string, problems: string[]): void {
  const all = Object.entries((operation['responses'] as Node) ?? {});
  if (!all.some(([status]) => /^[23]\d\d$/.test(status))) problems.push(`${at}: no success`);
  for (const [status, given] of all) {
    if (!/^([1-5](\d\d|XX)|default)$/.test(status)) problems.push(`${at}: response ${status}`);
    const response = followed(root, given);
    if (typeof response['description'] !== 'string') problems.push(`${at}: response ${status} says nothing`);
    for (const header of Object.values((response['headers'] as Node) ?? {})) {
      if (followed(root, header)['schema'] === undefined) problems.push(`${at}: header of ${status}`);
    }
    media(response, false, at, problems);
  }
}

function media(holder: Node, required: boolean, at: string, problems: string[]): void {
  const content = holder['content'];
  if (content === undefined && !required) return;
  const types = Object.entries((content as Node) ?? {});
  if (types.length === 0) problems.push(`${at}: no content`);
  for (const [type, value] of types) {
    if (!/^[^\s/]+\/[^\s/]+/.test(type) || !isNode(value)) problems.push(`${at}: content ${type}`);
  }
}
