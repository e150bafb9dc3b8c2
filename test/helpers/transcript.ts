// Stories of validators, written as a person would tell them and answered by the engine. A transcript is blocks between empty lines:
// comments (#), commands, a line ----, and what came of them.
//
//   powers 1 1 1 1            proposers 1 2 3 0         rules strict
//   start p0 p1               run these; the others are whatever the story says of them
//   print all | votes         of the effects from here on: all, or what is said, accused and decided
//   p0 hears prevote 0 A by 1        also: proposal 1 A on 0 by 2, precommit 0 nil by 3, polka 0 A of 1 2 3, commit 0 A of 1 2 3
//   p0 finds A valid          p0 makes A                p0 times out prevote
//   p0 tells p1 p2            what it has sent and not yet told them
//   p0 is not heard by p2     what it has sent and not yet told is lost
//   all tell all              until nobody has anything to tell
//   p0 restarts               with the durable part of its log
//   show p0

import { assert } from '../../src/base/assert.ts';
import type { BlockId, Effect, Message, TimeoutKind, VoteValue } from '../../src/consensus/types.ts';
import {
  block,
  commit,
  heightStart,
  nameOf,
  polka,
  precommit,
  prevote,
  proposal,
  proposersFrom,
  setOf,
} from './agreement.ts';
import { EngineHost, type EngineModule, sayEffect } from './agreement-host.ts';

export interface Engines {
  readonly strict: EngineModule;
  readonly relaxed: EngineModule;
}

/** The transcript with what the engine answers now. */
export function replayed(text: string, engines: Engines): string {
  const story = new Story(engines);
  const blocks = text.trimEnd().split(/\n{2,}/);
  return `${blocks.map((part) => answered(story, part)).join('\n\n')}\n`;
}

/** All that is asked of the validators, in order. */
export function commandsOf(text: string): string[] {
  return text.split(/\n{2,}/).flatMap((part) =>
    askedIn(part)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
}

const askedIn = (part: string): string => part.split(/\n----(?:\n|$)/)[0]!;

function answered(story: Story, part: string): string {
  const asked = askedIn(part);
  const answers = commandsOf(asked).flatMap((command) => story.run(command));
  return answers.length > 0 ? [asked, '----', ...answers].join('\n') : asked;
}

const SPOKEN: readonly Effect['kind'][] = [
  'broadcast',
  'evidence',
  'foreign-signature',
  'send-decision',
  'decide',
  'halt',
];

class Story {
  readonly #engines: Engines;
  #powers: readonly number[] = [1, 1, 1, 1];
  #proposers: readonly number[] = [0, 1, 2, 3];
  #rules: keyof Engines = 'strict';
  #printsAll = true;
  readonly #hosts = new Map<number, EngineHost>();
  /** How much of what one sent another was told, or has missed. */
  readonly #told = new Map<string, number>();

  constructor(engines: Engines) {
    this.#engines = engines;
  }

  run(command: string): string[] {
    const words = command.split(/\s+/);
    const [first, second, ...rest] = words as [string, string, ...string[]];
    switch (first) {
      case 'powers':
        this.#powers = words.slice(1).map(Number);
        return [];
      case 'proposers':
        this.#proposers = words.slice(1).map(Number);
        return [];
      case 'rules':
        this.#rules = second as keyof Engines;
        return [];
      case 'print':
        this.#printsAll = second === 'all';
        return [];
      case 'start':
        return words.slice(1).flatMap((name) => this.#start(indexOf(name)));
      case 'show':
        return [this.#show(indexOf(second))];
      case 'all':
        return this.#tellAll();
      default:
        return this.#act(indexOf(first), second, rest);
    }
  }

  #act(self: number, verb: string, rest: readonly string[]): string[] {
    const host = this.#host(self);
    switch (verb) {
      case 'hears':
        return this.#print(self, host.hear(messageOf(rest)));
      case 'finds':
        return this.#print(self, host.judge(blockOf(rest[0]!), rest[1] === 'valid'));
      case 'makes':
        return this.#print(self, host.make(blockOf(rest[0]!)));
      case 'times':
        return this.#print(self, host.timeOut(rest[1] as TimeoutKind));
      case 'restarts':
        return this.#print(self, [...host.restart(), ...host.sign()]);
      case 'tells':
        return rest.flatMap((name) => this.#tell(self, indexOf(name)));
      case 'is':
        for (const name of rest.slice(3)) this.#told.set(`${self} ${indexOf(name)}`, host.sent.length);
        return [];
      default:
        throw new Error(`no such command: ${verb}`);
    }
  }

  #start(self: number): string[] {
    const host = new EngineHost({ engine: this.#engines[this.#rules] });
    this.#hosts.set(self, host);
    const validators = setOf(...this.#powers);
    return this.#print(
      self,
      host.start(heightStart({ validators, proposers: proposersFrom(...this.#proposers), self })),
    );
  }

  #tell(from: number, to: number): string[] {
    const key = `${from} ${to}`;
    const { sent } = this.#host(from);
    const news = sent.slice(this.#told.get(key) ?? 0);
    this.#told.set(key, sent.length);
    return this.#print(to, this.#host(to).hear(...news));
  }

  #tellAll(): string[] {
    const lines: string[] = [];
    const isDone = (from: number, to: number): boolean =>
      (this.#told.get(`${from} ${to}`) ?? 0) === this.#host(from).sent.length;
    for (let isQuiet = false; !isQuiet; ) {
      isQuiet = true;
      for (const from of this.#hosts.keys()) {
        for (const to of this.#hosts.keys()) {
          if (from === to || isDone(from, to)) continue;
          isQuiet = false;
          lines.push(...this.#tell(from, to));
        }
      }
    }
    return lines;
  }

  #show(self: number): string {
    const { round, step, lockedRound, lockedBlock, validRound, validBlock } =
      this.#host(self).state.driver!.round;
    const lock = lockedBlock === null ? 'no lock' : `locked on ${nameOf(lockedBlock)} in ${lockedRound}`;
    const value = validBlock === null ? 'no valid block' : `valid ${nameOf(validBlock)} of ${validRound}`;
    return `p${self} round ${round}, ${step}, ${lock}, ${value}`;
  }

  #print(self: number, effects: readonly Effect[]): string[] {
    return effects
      .filter((effect) => this.#printsAll || SPOKEN.includes(effect.kind))
      .map((effect) => `p${self} ${sayEffect(effect)}`);
  }

  #host(self: number): EngineHost {
    const host = this.#hosts.get(self);
    assert(host !== undefined, `p${self} was started`);
    return host;
  }
}

function indexOf(name: string): number {
  assert(/^p\d+$/.test(name), `a validator is named p0, p1, ...: ${name}`);
  return Number(name.slice(1));
}

const blockOf = (name: string): BlockId => block(name.toLowerCase());
const valueOf = (name: string): VoteValue => (name === 'nil' ? null : blockOf(name));

/** kind, round, value, then `on` round, `by` validator or `of` validators. */
function messageOf(words: readonly string[]): Message {
  const [kind, roundText, name] = words as [string, string, string];
  const round = Number(roundText);
  const after = (word: string): number[] => {
    const at = words.indexOf(word);
    return at === -1 ? [] : words.slice(at + 1).map(Number);
  };
  const on = words.indexOf('on');
  const options = on === -1 ? {} : { validRound: Number(words[on + 1]) };
  switch (kind) {
    case 'proposal':
      return proposal(after('by')[0]!, round, blockOf(name), options);
    case 'prevote':
      return prevote(after('by')[0]!, round, valueOf(name), options);
    case 'precommit':
      return precommit(after('by')[0]!, round, valueOf(name));
    case 'polka':
      return polka(round, blockOf(name), after('of'), options);
    case 'commit':
      return commit(round, blockOf(name), after('of'));
    default:
      throw new Error(`no such message: ${kind}`);
  }
}
