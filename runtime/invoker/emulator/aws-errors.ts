/**
 * Errors of the Lambda API, as they are on the wire: a table of status codes and of how each spells its message
 * field (AWS is not consistent, and its SDKs read the field by its exact name).
 */

export const AWS_ERRORS = {
  AccessDeniedException: { status: 403, field: 'Message', side: 'User' },
  InvalidParameterValueException: { status: 400, field: 'message', side: 'User' },
  InvalidRequestContentException: { status: 400, field: 'message', side: 'User' },
  InvalidSignatureException: { status: 403, field: 'message', side: 'User' },
  MissingAuthenticationTokenException: { status: 403, field: 'message', side: 'User' },
  PreconditionFailedException: { status: 412, field: 'message', side: 'User' },
  RequestTooLargeException: { status: 413, field: 'message', side: 'User' },
  ResourceConflictException: { status: 409, field: 'message', side: 'User' },
  ResourceNotFoundException: { status: 404, field: 'Message', side: 'User' },
  ServiceException: { status: 500, field: 'Message', side: 'Service' },
  TooManyRequestsException: { status: 429, field: 'message', side: 'User' },
  UnknownOperationException: { status: 404, field: 'message', side: 'User' },
  UnrecognizedClientException: { status: 403, field: 'message', side: 'User' },
  ValidationException: { status: 400, field: 'message', side: 'User' },
} as const;

export type AwsErrorType = keyof typeof AWS_ERRORS;
export type ThrottleReason =
  | 'ReservedFunctionConcurrentInvocationLimitExceeded'
  | 'ConcurrentInvocationLimitExceeded';

/** An answer of the API, thrown by whatever finds that it has to be given. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly type: AwsErrorType;
  readonly reason: ThrottleReason | undefined;

  constructor(type: AwsErrorType, message: string, reason?: ThrottleReason) {
    super(message);
    this.type = type;
    this.reason = reason;
  }

  get status(): number {
    return AWS_ERRORS[this.type].status;
  }

  /** The body, with the fields in the order AWS writes them. */
  body(): string {
    const { field, side } = AWS_ERRORS[this.type];
    return JSON.stringify({
      ...(this.reason === undefined ? {} : { Reason: this.reason }),
      Type: side,
      [field]: this.message,
    });
  }
}

export function throttled(reason: ThrottleReason): AwsError {
  return new AwsError('TooManyRequestsException', 'Rate Exceeded.', reason);
}

export function functionNotFound(arn: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Function not found: ${arn}`);
}
