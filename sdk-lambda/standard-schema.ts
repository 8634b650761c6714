/**
 * Standard Schema (standardschema.dev): what zod, valibot, arktype and others have in common, declared here as far as
 * it is used, so that none of them is a dependency.
 *
 * Invariant: a check is synchronous. A handler must not wait for anything but steps.
 */
import { SdkUsageError } from './coded-error.ts';

/** A schema of any library that speaks Standard Schema version 1. Takes values of `I`, makes values of `O` of them. */
export interface StandardSchema<I = unknown, O = I> {
  /** What the standard defines. */
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
      options?: LibraryOptions,
    ) => SchemaResult<O> | Promise<SchemaResult<O>>;
    readonly types?: { readonly input: I; readonly output: O } | undefined;
    /** Standard JSON Schema, an addition that not every library has. */
    readonly jsonSchema?: {
      readonly input: (options: JsonSchemaOptions) => object;
      readonly output: (options: JsonSchemaOptions) => object;
    };
  };
}

interface LibraryOptions {
  /** What only this library knows. */
  readonly libraryOptions?: Record<string, unknown> | undefined;
}
interface JsonSchemaOptions extends LibraryOptions {
  readonly target: 'draft-2020-12';
}

type SchemaResult<O> =
  | { readonly value: O; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a value must be to be taken by the schema. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];
/** What the schema makes of it. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** The value as the schema makes it. `refuse` gets a line of issues, each with its path as a JSON pointer. */
export function checked<O>(
  { '~standard': standard }: StandardSchema<unknown, O>,
  value: unknown,
  refuse: (issues: string) => never,
  libraryOptions?: Record<string, unknown>,
): O {
  const result = standard.validate(value, libraryOptions && { libraryOptions });
  if ('then' in result)
    throw new SdkUsageError(
      'HF_SDK_ASYNC_SCHEMA',
      `A ${standard.vendor} schema checks asynchronously. Check in the handler, with ctx.run.`,
    );
  if (!result.issues) return result.value;
  const shown = result.issues.slice(0, ISSUES_MAX).map(describe);
  const hidden = result.issues.length - shown.length;
  return refuse(shown.join('; ') + (hidden > 0 ? `; and ${hidden} more` : ''));
}

/** Messages are stored with the invocation and sent to the caller: one for every element of a list would be too many. */
const ISSUES_MAX = 10;

const describe = ({ path = [], message }: Issue): string =>
  path.map(part => `/${String(typeof part === 'object' ? part.key : part)}`).join('') +
  (path.length > 0 ? ` ${message}` : message);

/** As JSON Schema, where the library can say it. */
export function jsonSchemaOf(
  { '~standard': { jsonSchema } }: StandardSchema,
  side: 'input' | 'output',
  libraryOptions?: Record<string, unknown>,
): object | undefined {
  try {
    return jsonSchema?.[side]({ target: 'draft-2020-12', libraryOptions });
  } catch {
    // Dates, transformed values and the like have none. Libraries say so by throwing; the service is described without.
    return undefined;
  }
}
