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
  readonly clock: Clock;
  /** The height under way here; undefined before the start. */
  readonly height: () => number | undefined;
  readonly ask: (node: NodeId, height: number) => Promise<Decision | undefined>;
  readonly take: (node: NodeId, decision: Decision) => void;
}

export class CatchUp {
  readonly #options: CatchUpOptions;
  /** Highest height that each validator above ours spoke of; whoever was asked last stands last. */
  readonly #speakers = new Map<string, { readonly node: NodeId; readonly height: number }>();
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
    const known = this.#speakers.get(key)?.height ?? own;
    if (known >= height) return;
    this.#speakers.set(key, { node, height });
    // The wait for somebody one height ahead is over when he is two ahead.
    if (known === own + 1) this.#cancel();
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
    if (this.#speakers.size === 0) return;
    const isFarBehind = [...this.#speakers.values()].some(({ height }) => height > own + 1);
    // Of one height, somebody is always a little ahead, and the votes are on their way.
    const delayMs = isFarBehind && own !== this.#askedHeight ? 0 : CATCH_UP_DELAY_MS;
    this.#cancelWait = this.#options.clock.timer(delayMs, () => {
      this.#cancelWait = undefined;
      this.#ask();
    });
  }

  #ask(): void {
    const [first] = this.#speakers;
    const own = this.#options.height();
    if (first === undefined || own === undefined || this.#isStopped) return;
    const [key, speaker] = first;
    this.#speakers.delete(key);
    this.#isAsking = true;
    this.#askedHeight = own;
    const answered = (decision: Decision | undefined): void => {
      this.#isAsking = false;
      if (this.#isStopped) return;
      // Who gave nothing is forgotten until he speaks again.
      if (decision !== undefined) {
        if (!this.#speakers.has(key)) this.#speakers.set(key, speaker);
        this.#options.take(speaker.node, decision);
      }
      this.#goOn();
    };
    this.#options.ask(speaker.node, own).then(answered, () => answered(undefined));
  }
}
