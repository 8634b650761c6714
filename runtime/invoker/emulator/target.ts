/**
 * Which function, and which version or alias of it, a request means. Pure.
 *
 * Accepted, each URL-encoded or not: `name`, `name:qualifier`, `account:function:name[:qualifier]`,
 * `function:name[:qualifier]` and `arn:aws:lambda:region:account:function:name[:qualifier]`; a `Qualifier` query
 * parameter may repeat the qualifier but not contradict it.
 */

import { AwsError, functionNotFound } from './aws-errors.ts';

export interface Place {
  readonly region: string;
  readonly accountId: string;
}

export interface Target {
  readonly name: string;
  readonly qualifier: string | undefined;
}

const SHAPE =
  /^(?:arn:(?:aws|aws-cn|aws-us-gov):lambda:(?<region>[a-z0-9-]+):)?(?:(?<account>\d{12}):)?(?:function:)?(?<name>[a-zA-Z0-9_-]{1,64})(?::(?<qualifier>\$LATEST|[a-zA-Z0-9_-]{1,128}))?$/;
const QUALIFIER = /^(?:\$LATEST|[a-zA-Z0-9_-]{1,128})$/;

export function functionArn(place: Place, name: string, qualifier?: string): string {
  const arn = `arn:aws:lambda:${place.region}:${place.accountId}:function:${name}`;
  return qualifier === undefined ? arn : `${arn}:${qualifier}`;
}

function invalid(value: string, field: string): AwsError {
  return new AwsError(
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${field}' failed to satisfy constraint: ` +
      'Member must satisfy regular expression pattern',
  );
}

export function parseTarget(text: string, queryQualifier: string | null, place: Place): Target {
  const found = SHAPE.exec(text)?.groups;
  const name = found?.['name'];
  if (found === undefined || name === undefined) throw invalid(text, 'functionName');
  if (queryQualifier !== null && !QUALIFIER.test(queryQualifier)) throw invalid(queryQualifier, 'qualifier');
  const { region, account, qualifier } = found;
  if (region !== undefined && region !== place.region) {
    throw new AwsError(
      'ResourceNotFoundException',
      `Functions from '${region}' are not reachable in this region ('${place.region}')`,
    );
  }
  if (account !== undefined && account !== place.accountId) throw functionNotFound(text);
  if (qualifier !== undefined && queryQualifier !== null && qualifier !== queryQualifier) {
    throw new AwsError(
      'InvalidParameterValueException',
      'The derived qualifier from the function name does not match the specified qualifier.',
    );
  }
  return { name, qualifier: qualifier ?? queryQualifier ?? undefined };
}
