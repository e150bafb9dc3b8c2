// The chain as the application of a validator: what agreement asks of blocks, answered by the chain, in the callback style of its host.
//
// Invariants: a verdict is a function of the block and its parent, so a block whose time has not come is judged when it has; a
// failure of the chain is told once, and then nothing is answered any more.

import { toHex } from '../../base/bytes.ts';
import { type StoreError, toStoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { BLOCK_TIME_AHEAD_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { proposerAt } from '../../consensus/proposer.ts';
import type { BlockId, HeightStart, Message } from '../../consensus/types.ts';
import { indexOf } from '../../consensus/validator-set.ts';
import { blockTimeOf } from '../../shards/block.ts';
import type { Decision } from '../validator/host-ports.ts';
import type { ValidatorApplication } from '../validator/validator.ts';
import type { Proposing } from './block-maker.ts';
import type { Chain } from './chain.ts';
import type { EvidencePool } from './evidence-pool.ts';
import type { Pace } from './pace.ts';

export interface ChainApplicationPorts {
  readonly chain: Chain;
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'timer'>;
  readonly self: NodeId;
  readonly pace: Pace;
  readonly evidence: EvidencePool;
  /** For a proposal of this round. */
  readonly candidates: (round: number) => Proposing['candidates'];
  readonly reveal: Proposing['reveal'];
  /** Whether the height to come has something to do. */
  readonly hasWork: () => boolean;
  /** The chain failed: the validator must not go on. */
  readonly failed: (error: StoreError) => void;
}

export class ChainApplication implements ValidatorApplication {
  readonly #ports: ChainApplicationPorts;

  constructor(ports: ChainApplicationPorts) {
    this.#ports = ports;
  }

  next(): HeightStart {
    const { chain, self } = this.#ports;
    const { height, roles } = chain.next;
    return { height, ...roles, self: indexOf(roles.validators, self) };
  }

  startOf(height: number): ReturnType<Chain['rolesAt']> {
    return this.#ports.chain.rolesAt(height);
  }

  blockId(block: Uint8Array): BlockId {
    return this.#ports.chain.idOf(block);
  }

  heard(node: NodeId, { kind, height }: Pick<Message, 'kind' | 'height'>): void {
    const { chain, pace } = this.#ports;
    if (kind === 'proposal' && this.#isTurnOf(node, height)) pace.proposed(height);
    const validator = indexOf(chain.next.roles.validators, node);
    if (validator !== undefined) pace.heard(validator, height);
  }

  /** At the first round of a height to come: the block before may be on its way into the store. */
  #isTurnOf(node: NodeId, height: number): boolean {
    const { chain } = this.#ports;
    const roles = height < chain.next.height ? undefined : chain.rolesAt(height);
    return roles !== undefined && proposerAt(roles.proposers, height, 0) === indexOf(roles.validators, node);
  }

  held(height: number, blockId: BlockId, done: (block: Uint8Array | undefined) => void): void {
    this.#answer(this.#ports.chain.held(height, blockId), done);
  }

  requestValue(height: number, round: number, done: (block: Uint8Array) => void): void {
    this.#answer(this.#make(height, round), (block) => {
      if (block !== undefined) done(block);
    });
  }

  async #make(height: number, round: number): Promise<Uint8Array | undefined> {
    const { chain, clock, self, reveal, candidates, evidence } = this.#ports;
    const beganMs = clock.monotonic();
    const offered = evidence.all();
    const block = await chain.build(height, {
      proposer: self,
      candidates: candidates(round),
      receiptsMax: chain.budget.share(round, chain.next.timeouts.proposeMs).receipts,
      evidence: offered,
      reveal,
    });
    if (block === undefined) return undefined;
    evidence.settle(offered, block.body.evidence);
    const { length } = block.bytes;
    chain.budget.measured(length, clock.monotonic() - beganMs);
    chain.budget.proposed(height, toHex(block.id) as BlockId, length);
    return block.bytes;
  }

  judge(height: number, blockId: BlockId, block: Uint8Array, done: (isValid: boolean) => void): void {
    const { chain, clock } = this.#ports;
    const aheadMs = (blockTimeOf(block) ?? 0) - clock.now() - BLOCK_TIME_AHEAD_MS;
    const judgeNow = (): void => {
      const beganMs = clock.monotonic();
      this.#answer(chain.judge(height, blockId, block), (isValid) => {
        if (isValid === true) chain.budget.measured(block.length, clock.monotonic() - beganMs);
        if (isValid !== undefined) done(isValid);
      });
    };
    if (aheadMs <= 0) {
      judgeNow();
      return;
    }
    // Of another height, or after the end, nobody waits for the verdict, and the block is let go.
    clock.timer(Math.min(aheadMs, JUDGE_DELAY_MAX_MS), () => {
      if (!chain.isOver && chain.next.height === height) this.judge(height, blockId, block, done);
    });
  }

  decided(height: number, { certificate, block }: Decision, done: (next: HeightStart) => void): void {
    const { chain, pace, hasWork } = this.#ports;
    chain.budget.decided(height, certificate.blockId);
    this.#answer(chain.commit(certificate, block), () => {
      // Told again after a restart: the next height may be long over.
      const { validators } = chain.next.roles;
      const isLate = chain.next.height > height + 1;
      pace.await(height + 1, validators, hasWork() || isLate, () => done(this.next()));
    });
  }

  decision(height: number, done: (decision: Decision | undefined) => void): void {
    this.#answer(this.#ports.chain.decision(height), done);
  }

  #answer<T>(work: Promise<T>, done: (result: T) => void): void {
    void this.#settle(work, done);
  }

  async #settle<T>(work: Promise<T>, done: (result: T) => void): Promise<void> {
    try {
      done(await work);
    } catch (error) {
      this.#ports.failed(toStoreError(error, 'INTERNAL', 'the chain'));
    }
  }
}

/** A block further ahead is looked at again after this, if its height still runs. */
const JUDGE_DELAY_MAX_MS = 1_000;
