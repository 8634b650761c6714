/** The package.json that is published. */
import { entryOf, fileOf, type PackageSource } from './package-source.ts';
import { typesOf } from './types.ts';

/** The workspace's own business. */
const OWN = new Set([
  'private',
  'dependencies',
  'devDependencies',
  'exports',
  'scripts',
  'type',
  'sideEffects',
]);

export function publishedManifest(source: PackageSource): object {
  const fields = Object.fromEntries(Object.entries(source).filter(([name]) => !OWN.has(name)));
  const entries = Object.entries(source.exports).map(([path, file]) => [path, conditionsOf(entryOf(file))]);
  const main = entryOf(source.exports['.'] ?? '');
  return {
    ...fields,
    type: 'module',
    sideEffects: false,
    main: `./${fileOf(main)}.cjs`,
    types: `./${typesOf(main)}.d.cts`,
    exports: { ...Object.fromEntries(entries), './package.json': './package.json' },
  };
}

/**
 * Node from 20.19 and 22.12 on takes `module-sync` for `require` as well, and bundlers take `module`: whoever mixes the
 * formats then has one copy of the classes, and `instanceof` holds. What is older gets CommonJS from `require`.
 */
function conditionsOf(entry: string): object {
  const [code, types] = [`./${fileOf(entry)}`, `./${typesOf(entry)}`];
  const esm = { types: `${types}.d.ts`, default: `${code}.js` };
  return {
    'module-sync': esm,
    module: esm,
    import: esm,
    require: { types: `${types}.d.cts`, default: `${code}.cjs` },
  };
}
