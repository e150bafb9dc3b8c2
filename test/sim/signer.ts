// The guarded key of a simulated validator: the real rules and the real file format, on the simulated disk.

import { concat } from '../../src/base/bytes.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Signer } from '../../src/base/ports.ts';
import {
  emptyGuardFile,
  encodeGuardSlot,
  GUARD_SLOT_LENGTH,
  type GuardOwner,
  type GuardRecord,
  type GuardState,
  guardRecord,
  isForeign,
  judge,
  readGuard,
} from '../../src/consensus/signer-guard.ts';
import type { Proposal, UnsignedMessage, Vote } from '../../src/consensus/types.ts';
import type { LastSigned } from '../../src/node/validator/host.ts';
import type { SignerPort } from '../../src/node/validator/ports.ts';
import type { SimDisk } from './disk.ts';

const SLOTS = ['guard/0', 'guard/1'] as const;

/** Signs as its signer says, whatever a guard would say: for a signature that no honest validator gives. */
export function signedBy(signer: Signer, signBytes: Uint8Array, message: UnsignedMessage): Proposal | Vote {
  const { kind, height, round, blockId, validRound, validator } = message;
  const signature = signer.sign(signBytes);
  // Field by field and not spread: every vote of a run then has one shape in memory, on which the speed of a campaign hangs.
  return { kind, height, round, blockId, validRound, validator, signature } as Proposal | Vote;
}

export class SimSigner implements SignerPort {
  readonly #disk: SimDisk;
  readonly #owner: GuardOwner;
  readonly #signer: Signer;
  #state: GuardState = { last: undefined, sequence: 0 };
  #isLocked = false;
  #failure: StoreError | undefined;

  constructor(disk: SimDisk, owner: GuardOwner, signer: Signer) {
    this.#disk = disk;
    this.#owner = owner;
    this.#signer = signer;
  }

  /** Reads what the key has signed; a machine's first process begins with an empty file. Throws as `readGuard`. */
  open(): void {
    const slots = SLOTS.map((name) => this.#disk.slot(name));
    if (slots.every((slot) => slot === undefined)) return;
    const bytes = slots.every((slot) => slot !== undefined) ? concat(...slots) : this.#overEmpty(slots);
    this.#state = readGuard(bytes, this.#owner, 'guard');
  }

  #overEmpty(slots: readonly (Uint8Array | undefined)[]): Uint8Array {
    const file = emptyGuardFile(this.#owner);
    for (const [index, slot] of slots.entries())
      if (slot !== undefined) file.set(slot, index * GUARD_SLOT_LENGTH);
    return file;
  }

  /** What a host that starts now has to know of the past; undefined for a key that never signed. */
  get last(): LastSigned | undefined {
    const { last } = this.#state;
    if (last === undefined) return undefined;
    const { network } = this.#owner;
    return {
      height: last.height,
      isAmong: (asked) => asked.some((message) => judge(last, guardRecord(network, message)) === 'repeat'),
    };
  }

  sign(message: UnsignedMessage, done: (result: Proposal | Vote | StoreError) => void): void {
    const request = guardRecord(this.#owner.network, message);
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      done(refusal);
      return;
    }
    const signed = signedBy(this.#signer, request.signBytes, message);
    if (judge(this.#state.last, request) === 'repeat') {
      done(signed);
      return;
    }
    const state: GuardState = { last: request, sequence: this.#state.sequence + 1 };
    this.#state = state;
    this.#disk.write(
      SLOTS[state.sequence % 2]!,
      () => encodeGuardSlot(state, this.#owner),
      (error) => {
        this.#failure ??= error;
        done(this.#failure ?? signed);
      },
    );
  }

  observe(message: Proposal | Vote): void {
    if (isForeign(this.#state.last, guardRecord(this.#owner.network, message))) this.#isLocked = true;
  }

  async close(): Promise<void> {}

  #refusal(request: GuardRecord): StoreError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#isLocked) return new StoreError('LOCKED', 'another copy of the key is at work');
    const judgement = judge(this.#state.last, request);
    if (judgement === 'sign' || judgement === 'repeat') return undefined;
    return new StoreError(
      'ALREADY_EXISTS',
      `${request.kind} of ${request.height}/${request.round}: ${judgement}`,
    );
  }
}
