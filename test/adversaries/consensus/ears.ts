// What the honest heard of the liars, recounted without the engine: nothing unsigned may reach an engine, and who told one process two
// things at one place must have been found out by it.

import { isSingle, isVote } from '../../../src/consensus/message-kinds.ts';
import type { StoreError } from '../../../src/base/errors.ts';
import { checkCertificate } from '../../../src/consensus/certificate.ts';
import { guiltyOf } from '../../../src/consensus/evidence.ts';
import { proposerAt } from '../../../src/consensus/proposer.ts';
import { isSigned } from '../../../src/consensus/sign-bytes.ts';
import type { Evidence, Input, Message, Vote } from '../../../src/consensus/types.ts';
import type { Observer } from '../../sim/observer.ts';
import type { Chain } from '../../sim/world.ts';

export class Ears implements Observer {
  /** Kinds of evidence that honest processes found. */
  readonly kinds: Set<Evidence['kind']> = new Set<Evidence['kind']>();
  /** What an engine was told though its signatures do not hold. */
  readonly forged: string[] = [];
  readonly #chain: Chain;
  readonly #isLiar: (process: number) => boolean;
  readonly #heights = new Map<number, number>();
  readonly #firsts = new Map<string, Vote>();
  readonly #found = new Set<string>();
  readonly #due = new Map<string, number>();

  constructor(chain: Chain, isLiar: (process: number) => boolean) {
    this.#chain = chain;
    this.#isLiar = isLiar;
  }

  /** `process/validator/height` where two votes were told and nothing followed. */
  get overlooked(): readonly string[] {
    return [...this.#due.keys()].filter((key) => !this.#found.has(key));
  }

  applied(process: number, input: Input): void {
    if (this.#isLiar(process)) return;
    if (input.kind === 'start-height') this.#heights.set(process, input.start.height);
    if (input.kind !== 'message') return;
    const { message } = input;
    if (!this.#isGenuine(message)) this.forged.push(JSON.stringify(message));
    // Of later rounds an engine may keep less, of other heights too.
    const isKept = message.round === 0 && message.height === this.#heights.get(process);
    if (isKept && isVote(message)) this.#compare(process, message);
  }

  #compare(process: number, vote: Vote): void {
    const { validator, height, kind } = vote;
    const place = `${process}/${validator}/${height}`;
    const first = this.#firsts.get(`${place}/${kind}`);
    if (first === undefined) this.#firsts.set(`${place}/${kind}`, vote);
    else if (first.blockId !== vote.blockId) this.#due.set(place, process);
  }

  #isGenuine(message: Message): boolean {
    const { network, verify, start } = this.#chain;
    const { validators, proposers } = start(message.height);
    if (!isSingle(message)) return checkCertificate(network, validators, message, verify) === undefined;
    const isInTurn =
      message.kind !== 'proposal' ||
      proposerAt(proposers, message.height, message.round) === message.validator;
    return isInTurn && isSigned(network, validators, message, verify);
  }

  evidence(process: number, evidence: Evidence): void {
    if (this.#isLiar(process)) return;
    this.kinds.add(evidence.kind);
    const { height } = 'first' in evidence ? evidence.first : heightOf(evidence);
    for (const validator of guiltyOf(evidence)) this.#found.add(`${process}/${validator}/${height}`);
  }

  /** What was told in a life that ended before anything came of it is told to nobody. */
  crashed(process: number): void {
    for (const [place, of] of this.#due) {
      if (of === process && !this.#found.has(place)) this.#due.delete(place);
    }
    for (const key of this.#firsts.keys()) if (key.startsWith(`${process}/`)) this.#firsts.delete(key);
  }

  started(): void {}
  exited(_process: number, _error: StoreError): void {}
  fault(): void {}
  signed(): void {}
  sent(): void {}
  decided(): void {}
  foreignSignature(): void {}
  refused(): void {}
}

const heightOf = (evidence: Exclude<Evidence, { first: unknown }>): { readonly height: number } =>
  evidence.kind === 'amnesia' ? evidence.precommit : evidence.committed;
