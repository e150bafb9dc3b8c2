// A program that writes and reads names of one owner, and notes when it asked what and what came of it. The value of a name is the object
// it stands for; every put names a new one.

import { toHex } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, ObjectId } from '../../src/base/ids.ts';
import { ABSENT, ANY, NameConflict } from '../../src/client/names/condition.ts';
import type { NamesContext } from '../../src/client/names/context.ts';
import { findName } from '../../src/client/names/directory-reader.ts';
import { dropName, putName } from '../../src/client/names/name-operations.ts';
import type { NamePath } from '../../src/client/names/path.ts';
import type { SeededRandom } from '../sim/random.ts';
import type { Condition as NameCondition } from '../../src/shards/name-entry.ts';
import type { Call, Condition, Operation, Result } from './checker.ts';

export interface NameClientOptions {
  readonly client: number;
  readonly names: NamesContext;
  readonly random: SeededRandom;
  /** Milliseconds on a clock that all clients share. */
  readonly now: () => number;
  /** After so long an operation is given up, and its outcome is not known. */
  readonly patienceMs: number;
}

export class NameClient {
  readonly #options: NameClientOptions;
  /** Etags of values that this client wrote or saw. */
  readonly #etags = new Map<string, Uint8Array>();
  #seen: string | undefined;

  constructor(options: NameClientOptions) {
    this.#options = options;
  }

  /** One operation, chosen by chance. */
  async act(path: NamePath): Promise<Operation> {
    const call = this.#choose();
    const { client, now, patienceMs } = this.#options;
    const begunAt = now();
    const result = await this.#perform(path, call, AbortSignal.timeout(patienceMs)).catch(resultOf);
    const endedAt = result.kind === 'unknown' ? Number.POSITIVE_INFINITY : now();
    return { client, call, result, begunAt, endedAt };
  }

  #choose(): Call {
    const { random } = this.#options;
    const kind = random.below(10);
    if (kind < 4) return { kind: 'get' };
    if (kind === 4) return { kind: 'delete', condition: { kind: 'any' } };
    const value = toHex(random.bytes(32));
    return { kind: 'put', value, condition: this.#condition(kind) };
  }

  #condition(kind: number): Condition {
    if (kind < 6) return { kind: 'any' };
    if (kind < 7 || this.#seen === undefined) return { kind: 'absent' };
    return { kind: 'match', value: this.#seen };
  }

  async #perform(path: NamePath, call: Call, signal: AbortSignal): Promise<Result> {
    const { names } = this.#options;
    if (call.kind === 'get') {
      const { value: entry } = await findName(names, path, { signal });
      const value = entry === undefined ? undefined : toHex(entry.object.manifest);
      this.#note(value, entry?.etag);
      return { kind: 'value', value };
    }
    if (call.kind === 'delete') {
      await dropName(names, path, { signal });
      this.#seen = undefined;
      return { kind: 'done' };
    }
    const manifest = Uint8Array.from(Buffer.from(call.value, 'hex')) as Digest;
    const object = {
      manifest,
      object: manifest as Uint8Array as ObjectId,
      lengthBytes: 1,
      wrappedKey: new Uint8Array(0),
    };
    const { etag } = await putName(names, path, object, { condition: this.#named(call.condition), signal });
    this.#note(call.value, etag);
    return { kind: 'done' };
  }

  #note(value: string | undefined, etag: Uint8Array | undefined): void {
    this.#seen = value;
    if (value !== undefined && etag !== undefined) this.#etags.set(value, etag);
  }

  #named(condition: Condition): NameCondition {
    if (condition.kind === 'any') return ANY;
    if (condition.kind === 'absent') return ABSENT;
    return { kind: 'match', etag: this.#etags.get(condition.value)! };
  }
}

/** What a failure says of what happened. */
function resultOf(error: unknown): Result {
  if (error instanceof NameConflict) return { kind: error.mayHaveHappened ? 'unknown' : 'refused' };
  if (error instanceof StoreError) {
    if (error.code === 'NOT_FOUND') return { kind: 'refused' };
    return { kind: 'unknown' };
  }
  throw error;
}
