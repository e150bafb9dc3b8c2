// What must hold in every run, whatever happened. The first thing that does not ends it.
//
// Agreement: no two honest processes decide different blocks at one height. Integrity: one decision a height, before and after any
// restart, and the chain is linked. Validity: what is decided was proposed and is valid, and its certificate proves it.
// Nobody honest signs for a block that it did not find valid.
// Lock discipline: who precommitted b in round r never prevotes another block in a later round on a polka older than r.
// No self-incrimination: nobody honest signs two messages for one place, however often it was restarted; nobody honest is
// accused; what leaves was signed before.

import { guiltyOf, verifyEvidence } from '../../src/consensus/evidence.ts';
import { checkCertificate } from '../../src/consensus/certificate.ts';
import { isSingle } from '../../src/consensus/message-kinds.ts';
import type { StoreError } from '../../src/base/errors.ts';
import type {
  BlockId,
  Evidence,
  Input,
  Message,
  Proposal,
  UnsignedMessage,
  ValidatorIndex,
  Vote,
  VoteValue,
} from '../../src/consensus/types.ts';
import type { Decision } from '../../src/node/validator/host-ports.ts';
import { blockIdOf, decodeBlock, GENESIS, isValidBlock } from './application.ts';
import type { Observer } from './observer.ts';
import type { Chain } from './world.ts';

export interface Violation {
  readonly property:
    | 'agreement'
    | 'integrity'
    | 'validity'
    | 'lock discipline'
    | 'self-incrimination'
    | 'false accusation'
    | 'liveness'
    | 'determinism'
    | 'crash';
  readonly text: string;
}

/** What an honest process signed at one height, by round. */
interface Said {
  readonly proposals: Map<number, Proposal>;
  readonly prevotes: Map<number, Vote>;
  readonly precommits: Map<number, Vote>;
}

export interface ChecksPlan {
  readonly chain: Chain;
  /** Of each process; undefined for one without a voice. */
  readonly validators: readonly (ValidatorIndex | undefined)[];
  /** Processes of which nothing is expected. */
  readonly faulty: ReadonlySet<number>;
}

export class Checks implements Observer {
  violation: Violation | undefined;
  /** Of honest processes, so far. */
  decisions = 0;
  /** Decided blocks, by height. */
  readonly chain: Map<number, BlockId> = new Map<number, BlockId>();
  /** Evidence that was found, by who is guilty. */
  readonly accused: Set<ValidatorIndex> = new Set<ValidatorIndex>();
  readonly #plan: ChecksPlan;
  readonly #honestVoices = new Set<ValidatorIndex>();
  readonly #said: Map<number, Said>[];
  readonly #decidedBy: Map<number, BlockId>[];
  /** What each process made or found valid at the height under way, with that height. */
  readonly #foundValid: Map<BlockId, number>[];
  /** Blocks that were ever proposed, in a signed message. */
  readonly #proposed = new Set<string>();

  constructor(plan: ChecksPlan) {
    this.#plan = plan;
    this.#said = plan.validators.map(() => new Map<number, Said>());
    this.#decidedBy = plan.validators.map(() => new Map<number, BlockId>());
    this.#foundValid = plan.validators.map(() => new Map<BlockId, number>());
    for (const [process, validator] of plan.validators.entries()) {
      if (validator !== undefined && !plan.faulty.has(process)) this.#honestVoices.add(validator);
    }
    for (const process of plan.faulty) {
      const validator = plan.validators[process];
      if (validator !== undefined) this.#honestVoices.delete(validator);
    }
  }

  /** The highest height that the process has decided; 0 for none. */
  heightOf(process: number): number {
    return this.#highest[process] ?? 0;
  }

  readonly #highest: number[] = [];

  get heights(): number {
    return this.chain.size;
  }

  fail(property: Violation['property'], text: string): void {
    this.violation ??= { property, text };
  }

  // ---- What is told ----------------------------------------------------------------------------------------------

  applied(process: number, input: Input): void {
    if (input.kind === 'start-height') this.#foundValid[process]!.clear();
    else if (input.kind === 'value' || (input.kind === 'verdict' && input.isValid)) {
      this.#foundValid[process]!.set(input.blockId, input.height);
    }
  }

  // ---- What is signed and sent -----------------------------------------------------------------------------------

  signed(process: number, message: Proposal | Vote): void {
    if (this.#plan.faulty.has(process)) return;
    const said = this.#saidBy(process, message.height);
    const before = saidOf(said, message.kind).get(message.round);
    const { height, blockId } = message;
    if (blockId !== null && this.#foundValid[process]!.get(blockId) !== height) {
      this.fail('validity', `process ${process} signed ${show(message)}, a block that it never found valid`);
    }
    if (before !== undefined) {
      if (!isSame(before, message)) {
        this.fail('self-incrimination', `process ${process} signed ${show(before)} and ${show(message)}`);
      }
      return;
    }
    switch (message.kind) {
      case 'proposal':
        said.proposals.set(message.round, message);
        this.#proposed.add(proposalKey(message));
        return;
      case 'prevote':
        said.prevotes.set(message.round, message);
        for (const precommit of said.precommits.values()) this.#checkLock(process, precommit, message);
        return;
      case 'precommit':
        said.precommits.set(message.round, message);
        for (const prevote of said.prevotes.values()) this.#checkLock(process, message, prevote);
    }
  }

  #checkLock(process: number, precommit: Vote, prevote: Vote): void {
    const isBroken =
      precommit.blockId !== null &&
      prevote.blockId !== null &&
      prevote.round > precommit.round &&
      prevote.blockId !== precommit.blockId &&
      prevote.validRound < precommit.round;
    if (isBroken) {
      this.fail('lock discipline', `process ${process} signed ${show(precommit)}, then ${show(prevote)}`);
    }
  }

  sent(process: number, message: Message): void {
    if (message.kind === 'proposal') this.#proposed.add(proposalKey(message));
    if (!isSingle(message) || this.#plan.faulty.has(process)) return;
    if (message.validator !== this.#plan.validators[process]) return;
    const said = saidOf(this.#saidBy(process, message.height), message.kind).get(message.round);
    if (said === undefined || !isSame(said, message)) {
      this.fail('self-incrimination', `process ${process} sent ${show(message)} and never signed it`);
    }
  }

  #saidBy(process: number, height: number): Said {
    let said = this.#said[process]!.get(height);
    if (said === undefined) {
      said = { proposals: new Map(), prevotes: new Map(), precommits: new Map() };
      this.#said[process]!.set(height, said);
    }
    return said;
  }

  // ---- What is decided -------------------------------------------------------------------------------------------

  decided(process: number, height: number, decision: Decision): void {
    if (this.#plan.faulty.has(process)) return;
    const { blockId } = decision.certificate;
    this.decisions++;
    this.#highest[process] = Math.max(this.heightOf(process), height);
    const before = this.#decidedBy[process]!.get(height);
    this.#decidedBy[process]!.set(height, blockId);
    if (before !== undefined && before !== blockId) {
      this.fail(
        'integrity',
        `process ${process} decided ${name(before)} and ${name(blockId)} at height ${height}`,
      );
    }
    const agreed = this.chain.get(height);
    if (agreed === undefined) {
      this.chain.set(height, blockId);
      this.#checkValidity(process, height, decision);
    } else if (agreed !== blockId) {
      this.fail(
        'agreement',
        `height ${height} is ${name(agreed)}, and process ${process} decided ${name(blockId)}`,
      );
    }
  }

  #checkValidity(process: number, height: number, { certificate, block }: Decision): void {
    const { network, verify } = this.#plan.chain;
    const { blockId } = certificate;
    const where = `process ${process} decided ${name(blockId)} at height ${height}`;
    const { validators } = this.#plan.chain.start(height);
    const problem = checkCertificate(network, validators, certificate, verify);
    if (problem !== undefined) this.fail('validity', `${where}: its certificate is ${problem}`);
    if (certificate.height !== height)
      this.fail('validity', `${where}: its certificate is of another height`);
    if (blockIdOf(block) !== blockId) this.fail('validity', `${where}: the block is another`);
    const parent = height === 1 ? GENESIS : this.chain.get(height - 1);
    if (parent === undefined || decodeBlock(block)?.parent !== parent)
      this.fail('integrity', `${where}: its parent is not the block decided before`);
    else if (!isValidBlock(block, height, parent)) this.fail('validity', `${where}: the block is invalid`);
    if (!this.#proposed.has(proposalKey(certificate))) this.fail('validity', `${where}: nobody proposed it`);
  }

  // ---- Accusations -----------------------------------------------------------------------------------------------

  evidence(process: number, evidence: Evidence): void {
    if (this.#plan.faulty.has(process)) return;
    const { network, verify, start } = this.#plan.chain;
    const { height } = 'first' in evidence ? evidence.first : ofAmnesia(evidence);
    const problem = verifyEvidence(network, start(height).validators, evidence, verify);
    if (problem !== undefined) {
      this.fail(
        'false accusation',
        `process ${process} found ${evidence.kind} that proves nothing: ${problem}`,
      );
    }
    for (const validator of guiltyOf(evidence)) {
      this.accused.add(validator);
      if (this.#honestVoices.has(validator)) {
        this.fail(
          'false accusation',
          `process ${process} accuses honest validator ${validator}: ${evidence.kind}`,
        );
      }
    }
  }

  foreignSignature(process: number, message: Proposal | Vote): void {
    const validator = this.#plan.validators[process];
    if (this.#plan.faulty.has(process) || validator === undefined || !this.#honestVoices.has(validator))
      return;
    this.fail('false accusation', `process ${process} does not know its own ${show(message)}`);
  }

  refused(process: number, text: string): void {
    if (this.#plan.faulty.has(process)) return;
    this.fail('self-incrimination', `the guard of process ${process} had to refuse ${text}`);
  }

  /** Disks may fail. A validator that halts has seen a decision for a block that it found invalid. */
  exited(process: number, error: StoreError): void {
    if (error.code !== 'INTERNAL' || this.#plan.faulty.has(process)) return;
    this.fail('validity', `process ${process} halts: ${error.message}`);
  }

  started(): void {}
  crashed(): void {}
  fault(): void {}
}

function saidOf(said: Said, kind: UnsignedMessage['kind']): ReadonlyMap<number, Proposal | Vote> {
  switch (kind) {
    case 'proposal':
      return said.proposals;
    case 'prevote':
      return said.prevotes;
    case 'precommit':
      return said.precommits;
  }
}

function ofAmnesia(evidence: Exclude<Evidence, { first: unknown }>): { height: number } {
  return evidence.kind === 'amnesia' ? evidence.precommit : evidence.committed;
}

const proposalKey = ({ height, blockId }: { height: number; blockId: BlockId }): string =>
  `${height}/${blockId}`;

export const name = (value: VoteValue): string => (value === null ? 'nil' : value.slice(0, 6));

export function show(message: Proposal | Vote): string {
  const { kind, height, round, blockId, validRound } = message;
  const carried = kind === 'precommit' || validRound === -1 ? '' : ` carried by round ${validRound}`;
  return `${kind} ${height}/${round} for ${name(blockId)}${carried}`;
}

function isSame(a: Proposal | Vote, b: Proposal | Vote): boolean {
  return a.blockId === b.blockId && a.validRound === b.validRound;
}
