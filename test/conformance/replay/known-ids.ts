/**
 * Ids of the recording and of the replay that mean the same. Texts of ids have one length, so they are replaced in
 * bytes as they lie there, in frames, paths and payloads alike.
 */
import { decodeInvocationId, encodeAwakeableId, FIRST_AWAKEABLE_SIGNAL } from '@holdfast/protocol';

const AWAKEABLES_PER_INVOCATION = 4;

export class KnownIds {
  readonly #ours = new Map<string, string>();
  readonly #recorded = new Map<string, string>();

  /** Invocations; the awakeables of theirs follow. */
  pair(recorded: string, ours: string): void {
    if (this.#ours.has(recorded)) return;
    this.#add(recorded, ours);
    for (let i = 0; i < AWAKEABLES_PER_INVOCATION; i++) {
      const signal = FIRST_AWAKEABLE_SIGNAL + i;
      this.#add(
        encodeAwakeableId(decodeInvocationId(recorded), signal),
        encodeAwakeableId(decodeInvocationId(ours), signal),
      );
    }
  }

  #add(recorded: string, ours: string): void {
    this.#ours.set(recorded, ours);
    this.#recorded.set(ours, recorded);
  }

  oursOf(recorded: string): string | undefined {
    return this.#ours.get(recorded);
  }

  hasOurs(ours: string): boolean {
    return this.#recorded.has(ours);
  }

  toOurs(text: string): string {
    return text.replace(ID, id => this.#ours.get(id) ?? id);
  }

  /** In the words of the recording. */
  toRecorded(text: string): string {
    return text.replace(ID, id => this.#recorded.get(id) ?? id);
  }

  bytesToOurs(bytes: Uint8Array): Uint8Array {
    return Uint8Array.from(Buffer.from(this.toOurs(Buffer.from(bytes).toString('latin1')), 'latin1'));
  }

  bytesToRecorded(bytes: Uint8Array): Uint8Array {
    return Uint8Array.from(Buffer.from(this.toRecorded(Buffer.from(bytes).toString('latin1')), 'latin1'));
  }

  /** Whether everything that it names is known. */
  knows(text: string): boolean {
    return (text.match(ID) ?? []).every(id => this.#ours.has(id));
  }
}

const ID = /inv_1[0-9A-Za-z]{33}|sign_1[0-9A-Za-z_-]{38}/g;
