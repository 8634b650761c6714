/**
 * Qualified ARNs of Lambda functions, and the endpoint a function is called at.
 *
 * A deployment is one immutable version of the handlers, so an ARN without a version or alias is refused: it
 * would mean `$LATEST`, which changes under a running invocation. (`$LATEST` written out is accepted, for
 * development.)
 */

import type { Env } from '../platform/aws/credentials.ts';
import { CodedError } from '../platform/error.ts';

export interface LambdaArn {
  readonly arn: string;
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  readonly functionName: string;
  /** A version number, an alias or `$LATEST`. */
  readonly qualifier: string;
}

const ARN =
  /^arn:(aws[a-z-]{0,20}):lambda:([a-z0-9-]{1,32}):(\d{12}):function:([A-Za-z0-9_-]{1,64})(?::(\$LATEST|[A-Za-z0-9_-]{1,128}))?$/;

export function parseLambdaArn(text: string): LambdaArn {
  const [, partition, region, account, functionName, qualifier] = ARN.exec(text) ?? [];
  if (
    partition === undefined ||
    region === undefined ||
    account === undefined ||
    functionName === undefined
  ) {
    throw new CodedError(
      'HF_LAMBDA_ARN',
      `'${text.slice(0, 200)}' is not the ARN of a Lambda function. ` +
        'Give one of the form arn:aws:lambda:<region>:<account>:function:<name>:<version or alias>.',
    );
  }
  if (qualifier === undefined) {
    throw new CodedError(
      'HF_LAMBDA_ARN',
      `The ARN '${text}' names no version. Publish a version and append ':<version>' (or an alias).`,
    );
  }
  return { arn: text, partition, region, account, functionName, qualifier };
}

/** Host suffix by partition; partitions that are not listed use the public one. */
const SUFFIXES: Readonly<Record<string, string>> = {
  aws: 'amazonaws.com',
  'aws-us-gov': 'amazonaws.com',
  'aws-cn': 'amazonaws.com.cn',
  'aws-iso': 'c2s.ic.gov',
  'aws-iso-b': 'sc2s.sgov.gov',
  'aws-eusc': 'amazonaws.eu',
};

export interface LambdaEndpoint {
  readonly origin: string;
  /** As the `host` header carries it. */
  readonly host: string;
  /** A path in front of the API's own, without a slash at the end; usually empty. */
  readonly prefix: string;
}

/** The endpoint override of the environment, which wins over the region's own endpoint. */
export function endpointOverride(env: Env): LambdaEndpoint | undefined {
  // Blank counts as unset: that is what an empty line in a task definition means.
  const text = env['AWS_ENDPOINT_URL_LAMBDA'] || env['AWS_ENDPOINT_URL'];
  if (text === undefined || text === '') return undefined;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new CodedError(
      'HF_LAMBDA_ENDPOINT',
      `AWS_ENDPOINT_URL_LAMBDA (or AWS_ENDPOINT_URL) is '${text.slice(0, 200)}', which is not an http or ` +
        'https URL. Correct it, or unset it to call AWS.',
    );
  }
  return { origin: url.origin, host: url.host, prefix: url.pathname.replace(/\/+$/, '') };
}

export function endpointOf(arn: LambdaArn, override: LambdaEndpoint | undefined): LambdaEndpoint {
  if (override !== undefined) return override;
  const host = `lambda.${arn.region}.${SUFFIXES[arn.partition] ?? 'amazonaws.com'}`;
  return { origin: `https://${host}`, host, prefix: '' };
}
