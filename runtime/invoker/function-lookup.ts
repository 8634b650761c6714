/**
 * Looks a Lambda function up when its discovery has failed, so that a mistyped ARN is refused with its reason.
 * Optional by design: a role may be allowed to invoke a function and not to read its configuration.
 *
 * The AWS SDK is imported at the first lookup, because loading it costs more than starting the orchestrator.
 */

import { credentialsOf, type Env } from '../platform/aws/credentials.ts';
import { CodedError } from '../platform/error.ts';
import { endpointOf, endpointOverride, parseLambdaArn } from './lambda-arn.ts';

export type FunctionLookup =
  | {
      readonly kind: 'found';
      readonly version: string;
      readonly codeSha256?: string;
      readonly runtime?: string;
      readonly timeoutMs?: number;
      readonly memoryMb?: number;
    }
  /** The role may not read the function's configuration. */
  | { readonly kind: 'notAllowed'; readonly message: string };

/**
 * Throws `HF_LAMBDA_ARN` for a malformed or unqualified ARN, `HF_LAMBDA_NOT_FOUND` if there is no such function
 * or version, `HF_LAMBDA_NOT_ACTIVE` if it cannot be invoked, `META0003` if AWS cannot be reached.
 */
export async function describeFunction(arn: string, env: Env): Promise<FunctionLookup> {
  const parsed = parseLambdaArn(arn);
  const { GetFunctionConfigurationCommand, LambdaClient } = await import('@aws-sdk/client-lambda');
  const { origin, prefix } = endpointOf(parsed, endpointOverride(env));
  const client = new LambdaClient({
    region: parsed.region,
    endpoint: origin + prefix,
    credentials: async () => {
      const { accessKeyId, secretAccessKey, sessionToken } = await credentialsOf(env)();
      return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
    },
  });
  try {
    const found = await client.send(
      new GetFunctionConfigurationCommand({ FunctionName: arn, Qualifier: parsed.qualifier }),
    );
    if (found.State === 'Failed') {
      throw new CodedError(
        'HF_LAMBDA_NOT_ACTIVE',
        `The function '${arn}' is in state Failed (${found.StateReason ?? 'no reason given'}). ` +
          'Deploy it again and register the new version.',
      );
    }
    return {
      kind: 'found',
      version: found.Version ?? parsed.qualifier,
      ...(found.CodeSha256 === undefined ? {} : { codeSha256: found.CodeSha256 }),
      ...(found.Runtime === undefined ? {} : { runtime: found.Runtime }),
      ...(found.Timeout === undefined ? {} : { timeoutMs: found.Timeout * 1000 }),
      ...(found.MemorySize === undefined ? {} : { memoryMb: found.MemorySize }),
    };
  } catch (error) {
    return refusal(arn, error);
  } finally {
    client.destroy();
  }
}

function refusal(arn: string, error: unknown): FunctionLookup {
  if (error instanceof CodedError) throw error;
  const name = error instanceof Error ? error.name : 'Error';
  const message = error instanceof Error ? error.message : String(error);
  if (name === 'AccessDeniedException') return { kind: 'notAllowed', message };
  if (name === 'ResourceNotFoundException') {
    throw new CodedError(
      'HF_LAMBDA_NOT_FOUND',
      `There is no function or version '${arn}'. Check region, account, name and version of the ARN.`,
      { cause: error },
    );
  }
  throw new CodedError('META0003', `The function '${arn}' could not be looked up: ${name}: ${message}`, {
    cause: error,
  });
}
