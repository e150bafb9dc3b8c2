// The story of a run for somebody who wants to know why it failed: what each process was told by time and application, what it
// signed, decided and suffered. Messages that arrive are told only on demand: there are hundreds to each line that matters.

import type { StoreError } from '../../src/base/errors.ts';
import type { Evidence, Input, Message, Proposal, Vote } from '../../src/consensus/types.ts';
import type { Decision } from '../../src/node/validator/host-ports.ts';
import { name, show } from './checks.ts';
import type { Observer } from './observer.ts';
import type { Scenario } from './scenario.ts';

/** Lines that are kept, the last ones. */
const LINES_MAX = 20_000;

export class Story implements Observer {
  readonly #lines: string[] = [];
  readonly #hasMessages: boolean;
  #nowMs: () => number = () => 0;

  constructor(hasMessages: boolean) {
    this.#hasMessages = hasMessages;
  }

  /** Times of the lines come from here. */
  clock(nowMs: () => number): void {
    this.#nowMs = nowMs;
  }

  /** The last `count` lines. */
  lines(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }

  #tell(process: number | undefined, text: string): void {
    const time = (this.#nowMs() / 1000).toFixed(4).padStart(9);
    this.#lines.push(`${time} s  ${process === undefined ? '*' : `process ${process}`}  ${text}`);
    if (this.#lines.length > 2 * LINES_MAX) this.#lines.splice(0, LINES_MAX);
  }

  started(process: number): void {
    this.#tell(process, 'starts');
  }

  crashed(process: number, isPowerCut: boolean): void {
    this.#tell(process, isPowerCut ? 'loses power' : 'is gone');
  }

  exited(process: number, error: StoreError): void {
    this.#tell(process, `exits: ${error.message}`);
  }

  fault(text: string): void {
    this.#tell(undefined, text);
  }

  applied(process: number, input: Input): void {
    switch (input.kind) {
      case 'start-height':
        this.#tell(process, `begins height ${input.start.height}`);
        return;
      case 'timeout':
        this.#tell(process, `time is up: ${input.timeout} of ${input.height}/${input.round}`);
        return;
      case 'value':
        this.#tell(process, `has made ${name(input.blockId)} for ${input.height}/${input.round}`);
        return;
      case 'verdict':
        this.#tell(process, `finds ${name(input.blockId)} ${input.isValid ? 'valid' : 'invalid'}`);
        return;
      case 'message':
        if (this.#hasMessages) this.#tell(process, `hears ${describe(input.message)}`);
        return;
      case 'signed':
    }
  }

  signed(process: number, message: Proposal | Vote): void {
    this.#tell(process, `signs ${show(message)}`);
  }

  sent(process: number, message: Message): void {
    if (this.#hasMessages) this.#tell(process, `sends ${describe(message)}`);
  }

  decided(process: number, height: number, decision: Decision): void {
    const { round, blockId } = decision.certificate;
    this.#tell(process, `decides ${name(blockId)} at height ${height}, in round ${round}`);
  }

  evidence(process: number, evidence: Evidence): void {
    this.#tell(process, `has evidence: ${evidence.kind}`);
  }

  foreignSignature(process: number, message: Proposal | Vote): void {
    this.#tell(process, `says it never signed ${show(message)}`);
  }

  refused(process: number, text: string): void {
    this.#tell(process, `its guard refuses ${text}`);
  }
}

function describe(message: Message): string {
  if ('validator' in message) return `${show(message)} of validator ${message.validator}`;
  const { kind, height, round } = message;
  if (kind === 'round-certificate') {
    const votes = message.votes.map((vote) => `${vote.validator}: ${show(vote)}`).join(', ');
    return `${kind} (${message.reason}) of ${height}/${round}: ${votes}`;
  }
  const signers = message.signatures.map(({ validator }) => validator).join(', ');
  return `${kind} ${height}/${round} for ${name(message.blockId)} by {${signers}}`;
}

/** What was drawn from the seed, in a few lines. */
export function prologue(scenario: Scenario): readonly string[] {
  const { validators } = scenario.chain.start(1).validators;
  const { lossShare, duplicateShare, delayMinMs, delayMaxMs, slowShare, slowMs } = scenario.weather;
  const list = (set: ReadonlySet<number>): string => (set.size === 0 ? 'none' : [...set].join(', '));
  return [
    `seed ${scenario.seed}: ${scenario.validatorCount} validators with powers ${validators.map(({ power }) => power).join(', ')}, ` +
      `${scenario.processCount - scenario.validatorCount} followers`,
    `time-outs ${JSON.stringify(scenario.timeouts)}, ${scenario.faults.length} faults in ${scenario.stormMs} ms`,
    `network ${delayMinMs} to ${delayMaxMs} ms, ${Math.round(100 * slowShare)} % up to ${slowMs} ms more, ` +
      `${Math.round(100 * lossShare)} % lost, ${Math.round(100 * duplicateShare)} % twice${scenario.isWire ? ', through the wire form' : ''}`,
    `faulty: ${list(scenario.faulty)}; down in the end: ${list(scenario.brokenAtEnd)}`,
  ];
}
