/** A message with the page of its code in `docs/errors/`. */
export const withPage = (message: string, code: string): string => `${message} See docs/errors/${code}.md.`;

/** A mistake in how the SDK is used. The message says what to do; the code has a page in `docs/errors/`. */
export class SdkUsageError extends Error {
  override readonly name = 'SdkUsageError';
  /** `HF_SDK_...`, the name of its page. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(withPage(message, code));
    this.code = code;
  }
}

/** Services, or their endpoint, that cannot be as they are. */
export function refuseDefinition(message: string): never {
  throw new SdkUsageError('HF_SDK_DEFINITION', message);
}
