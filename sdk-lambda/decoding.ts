/**
 * Values that are being decoded. They reach user code in the order in which they were asked for, and nothing else does
 * meanwhile: when a codec is done depends on its machine, and must not be observed.
 */
export class Decoding {
  /** How each settles, once it is known. */
  readonly #values: { settle?: () => void }[] = [];

  get isOpen(): boolean {
    return this.#values.length > 0;
  }

  /** `known` is called when the outcome is; it comes with its turn. */
  add<T>(
    value: Promise<T>,
    fulfil: (value: T) => void,
    reject: (reason: unknown) => void,
    known: () => void,
  ): void {
    const entry: { settle?: () => void } = {};
    this.#values.push(entry);
    const done =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        entry.settle = () => settle(value);
        known();
      };
    value.then(done(fulfil), done(reject));
  }

  /** Hands over the first if it is known; false when it is not. */
  settleFirst(): boolean {
    const settle = this.#values[0]?.settle;
    if (settle) this.#values.shift();
    settle?.();
    return settle !== undefined;
  }
}
