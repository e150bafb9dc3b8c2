// A validator that is behind asks for decisions, one height after the other, instead of waiting until somebody answers its
// votes with one (L7): votes of a height that is over come only as fast as time-outs.
//
// Whoever speaks of a height above ours has decided ours, or lies. What he gives is judged like any certificate; a liar costs a
// request every CATCH_UP_DELAY_MS.
//
// Invariants: one request at a time; at the same height they are CATCH_UP_DELAY_MS apart; one height is remembered per
// validator, hence as many as the set has.

import { toHex } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import { CATCH_UP_DELAY_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import type { Decision } from './host-ports.ts';

export interface CatchUpOptions {
  readonly clock: Pick<Clock, 'timer'>;
  /** The height under way here; undefined before the start. */
  readonly height: () => number | undefined;
  readonly ask: (node: NodeId, height: number) => Promise<Decision | undefined>;
  readonly take: (node: NodeId, decision: Decision) => void;
}

interface Speaker {
  readonly node: NodeId;
  /** The highest that he spoke of; -1 when he had nothing to give and has not spoken since. */
  height: number;
  /** Who was asked longest ago is asked next. */
  askedTurn: number;
}

export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #speakers = new Map<string, Speaker>();
  #turn = 0;
  #isAsking = false;
  #isStopped = false;
  #cancelWait: (() => void) | undefined;
  #askedHeight = -1;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** `node`, a validator, has spoken of `height`. */
  heard(node: NodeId, height: number): void {
    const own = this.#options.height();
    if (own === undefined || height <= own || this.#isStopped) return;
    const key = toHex(node);
    const speaker = this.#speakers.get(key) ?? { node, height: -1, askedTurn: 0 };
    if (speaker.height >= height) return;
    // The wait for somebody one height ahead is over when he is two ahead.
    if (speaker.height === own + 1) this.#cancel();
    speaker.height = height;
    this.#speakers.set(key, speaker);
    this.#goOn();
  }

  /** A height has begun here. */
  advanced(): void {
    const own = this.#options.height() ?? 0;
    for (const [key, speaker] of this.#speakers) if (speaker.height <= own) this.#speakers.delete(key);
    this.#cancel();
    this.#goOn();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#speakers.clear();
  }

  #cancel(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  #goOn(): void {
    const own = this.#options.height();
    if (own === undefined || this.#isAsking || this.#isStopped || this.#cancelWait !== undefined) return;
    const heights = [...this.#speakers.values()].map(({ height }) => height);
    const highest = Math.max(-1, ...heights);
    if (highest <= own) return;
    // Of one height, somebody is always a little ahead, and the votes are on their way.
    const delayMs = highest > own + 1 && own !== this.#askedHeight ? 0 : CATCH_UP_DELAY_MS;
    this.#cancelWait = this.#options.clock.timer(delayMs, () => {
      this.#cancelWait = undefined;
      this.#ask();
    });
  }

  #ask(): void {
    const own = this.#options.height();
    if (own === undefined || this.#isStopped) return;
    const [speaker] = [...this.#speakers.values()]
      .filter(({ height }) => height > own)
      .sort((a, b) => a.askedTurn - b.askedTurn);
    if (speaker === undefined) return;
    speaker.askedTurn = ++this.#turn;
    this.#isAsking = true;
    this.#askedHeight = own;
    const answered = (decision: Decision | undefined): void => {
      this.#isAsking = false;
      if (this.#isStopped) return;
      if (decision === undefined) speaker.height = -1;
      else this.#options.take(speaker.node, decision);
      this.#goOn();
    };
    this.#options.ask(speaker.node, own).then(answered, () => answered(undefined));
  }
}
