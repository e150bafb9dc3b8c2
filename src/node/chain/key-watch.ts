// Whether somebody else signs with this node's key. Decisions name who signed them, and what this key signed later than its guard knows
// was signed by another copy. A node that starts follows the chain for a while before its key signs: what validators say to the key
// may all reach the other copy, and a chain at rest says nothing for long.

import type { NetworkId, NodeId } from '../../base/ids.ts';
import { KEY_WATCH_DECISIONS } from '../../base/limits.ts';
import type { Clock, Verify } from '../../base/ports.ts';
import { type GuardRecord, guardRecord, isForeign, judge } from '../../consensus/signer-guard.ts';
import { signBytes } from '../../consensus/sign-bytes.ts';
import {
  type CommitCertificate,
  NO_ROUND,
  type UnsignedVote,
  type ValidatorSet,
} from '../../consensus/types.ts';
import { indexOf } from '../../consensus/validator-set.ts';

export interface KeyWatchPorts {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly networkId: NetworkId;
  readonly node: NodeId;
  readonly verify: Verify;
  /** How long a chain must have stood still before the key may sign. */
  readonly watchMs: number;
}

export class KeyWatch {
  readonly #ports: KeyWatchPorts;
  /** The latest signature of the key that a decision holds. */
  #latest: GuardRecord | undefined;
  /** When the node was first called to vote, and of the last decision since. */
  #movedAtMs: number | undefined;
  #decisions = 0;
  #isOver = false;

  constructor(ports: KeyWatchPorts) {
    this.#ports = ports;
  }

  /** A decision by validators of `set`. Its own signature is checked here: what a block repeats of the decision before it, its proposer chose. */
  decided(certificate: CommitCertificate, set: ValidatorSet | undefined): void {
    const vote = this.#ownVote(certificate, set);
    if (vote === undefined) return;
    const record = guardRecord(this.#ports.networkId, vote);
    if (judge(this.#latest, record) === 'sign') this.#latest = record;
  }

  /** The chain went on. */
  moved(): void {
    if (this.#movedAtMs === undefined) return;
    this.#movedAtMs = this.#ports.clock.monotonic();
    this.#decisions += 1;
  }

  /** A second copy is at work, or the guard was put back as it was before: `last` is what it let out last. */
  isForeign(last: GuardRecord | undefined): boolean {
    return this.#latest !== undefined && isForeign(last, this.#latest);
  }

  /**
   * How long to wait before asking again, 0 when the key may sign. Asked when the node is called to vote and nobody is ahead. A chain that
   * goes on without this key needs no hurry; one that stands may need it.
   */
  get waitMs(): number {
    if (this.#isOver) return 0;
    const now = this.#ports.clock.monotonic();
    this.#movedAtMs ??= now;
    const restMs = this.#movedAtMs + this.#ports.watchMs - now;
    this.#isOver = restMs <= 0 || this.#decisions >= KEY_WATCH_DECISIONS;
    return this.#isOver ? 0 : restMs;
  }

  #ownVote(certificate: CommitCertificate, set: ValidatorSet | undefined): UnsignedVote | undefined {
    const { networkId, node, verify } = this.#ports;
    const validator = set === undefined ? undefined : indexOf(set, node);
    const own = certificate.signatures.find((each) => each.validator === validator);
    if (validator === undefined || own === undefined) return undefined;
    const { height, round, blockId } = certificate;
    const vote = { kind: 'precommit', height, round, blockId, validRound: NO_ROUND, validator } as const;
    return verify(node, signBytes(networkId, vote), own.signature) ? vote : undefined;
  }
}
