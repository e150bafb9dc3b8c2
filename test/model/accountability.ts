// Who can be convicted when two honest validators decide differently, which takes at least a third of the power to lie. What the liars said
// is not recorded, because it is not enumerated; but for every quorum that an honest validator must have seen, enough of them must
// have joined it. The liars choose how: every choice must convict a third of all power, and never an honest validator (that part
// `judge.ts` watches in every state).

import { NO_ROUND, type UnsignedMessage } from '../../src/consensus/types.ts';
import { nameOfValidator } from './configurations.ts';
import { conflicts, describe } from './judge.ts';
import type { Network } from './network.ts';
import { BLOCKS, type Vocabulary, validRoundsBelow } from './vocabulary.ts';

/** A statement, and the liars who must have made it for there to be a quorum. */
interface Option {
  readonly statement: UnsignedMessage;
  readonly liars: readonly number[];
}

/** One quorum that somebody honest has seen; any of the options explains it. */
type Requirement = readonly Option[];

export class Accountability {
  readonly #network: Network;
  readonly #vocabulary: Vocabulary;
  readonly #isQuorum: (power: number) => boolean;
  readonly #known = new Map<string, string | undefined>();

  constructor(network: Network, vocabulary: Vocabulary, isQuorum: (power: number) => boolean) {
    this.#network = network;
    this.#vocabulary = vocabulary;
    this.#isQuorum = isQuorum;
  }

  /** What is wrong with the disagreement: a way to bring it about that convicts less than a third of the power. */
  judge(locals: readonly number[], decidable: readonly number[]): string | undefined {
    const said = locals.map((local, slot) => this.#network.rows[slot]!.local.historyOf(local).said);
    const key = `${said.map((list) => list.join()).join(';')};${decidable.join()}`;
    if (!this.#known.has(key)) this.#known.set(key, this.#judge(said, decidable));
    return this.#known.get(key);
  }

  #judge(said: readonly (readonly number[])[], decidable: readonly number[]): string | undefined {
    const messages = said.map((list) => list.map((index) => this.#vocabulary.messages[index]!.message));
    const seen = new Map<string, Requirement>();
    const require = (name: string, statements: readonly UnsignedMessage[]): void => {
      if (!seen.has(name))
        seen.set(
          name,
          statements.flatMap((statement) => this.#optionsOf(statement, messages)),
        );
    };
    for (const message of messages.flat()) {
      if (message.blockId === null) continue;
      const round = message.kind === 'precommit' ? message.round : message.validRound;
      if (round !== NO_ROUND) require(`polka ${round} ${message.blockId}`, polkas(round, message.blockId));
    }
    const lying = decisionsOf(decidable).map((blocks) => {
      const requirements = blocks.map((block) =>
        precommits(this.#vocabulary.rounds, block).flatMap((statement) =>
          this.#optionsOf(statement, messages),
        ),
      );
      return this.#cheapest([...seen.values(), ...requirements], new Map());
    });
    const found = lying.find((way) => way !== undefined);
    return found && `accountability: a disagreement convicts too few: ${found}`;
  }

  /** The least sets of liars that complete a quorum for `statement` beside the honest validators that made it. */
  #optionsOf(statement: UnsignedMessage, messages: readonly (readonly UnsignedMessage[])[]): Option[] {
    const { powers, configuration } = this.#network;
    const honest = messages.reduce(
      (sum, list, slot) => (list.some((message) => isSame(message, statement)) ? sum + powers[slot]! : sum),
      0,
    );
    const sets = subsets(configuration.byzantine);
    const isEnough = (liars: readonly number[]): boolean =>
      this.#isQuorum(liars.reduce((sum, liar) => sum + configuration.powers[liar]!, honest));
    return sets
      .filter(
        (liars) => isEnough(liars) && !liars.some((liar) => isEnough(liars.filter((one) => one !== liar))),
      )
      .map((liars) => ({ statement, liars }));
  }

  /** A way to meet all requirements that convicts less than a third, as a sentence. */
  #cheapest(
    requirements: readonly Requirement[],
    statements: ReadonlyMap<number, readonly UnsignedMessage[]>,
  ): string | undefined {
    if (this.#convictsEnough(statements)) return undefined;
    const [first, ...rest] = requirements;
    if (first === undefined) return tell(statements);
    for (const { statement, liars } of first) {
      const next = new Map(statements);
      for (const liar of liars) next.set(liar, [...(next.get(liar) ?? []), statement]);
      const way = this.#cheapest(rest, next);
      if (way !== undefined) return way;
    }
    return undefined;
  }

  #convictsEnough(statements: ReadonlyMap<number, readonly UnsignedMessage[]>): boolean {
    const { powers } = this.#network.configuration;
    const total = powers.reduce((sum, power) => sum + power, 0);
    let guilty = 0;
    for (const [liar, list] of statements) {
      if (list.some((a, at) => list.some((b, after) => after > at && conflicts(a, b))))
        guilty += powers[liar]!;
    }
    return 3 * guilty >= total;
  }
}

/** Two different blocks that two different validators can decide. */
function decisionsOf(decidable: readonly number[]): UnsignedMessage['blockId'][][] {
  const pairs = BLOCKS.flatMap((a, at) =>
    BLOCKS.slice(at + 1).map((b, after) => ({ a, b, at, after: at + 1 + after })),
  );
  const can = (slot: number, block: number): boolean => ((decidable[slot]! >> (block + 1)) & 1) === 1;
  return pairs
    .filter(({ at, after }) =>
      decidable.some((_, one) => decidable.some((__, two) => one !== two && can(one, at) && can(two, after))),
    )
    .map(({ a, b }) => [a, b]);
}

const from = { height: 1, validator: 0 };

const polkas = (round: number, blockId: UnsignedMessage['blockId']): UnsignedMessage[] =>
  validRoundsBelow(round).map((validRound) => ({ ...from, kind: 'prevote', round, blockId, validRound }));

const precommits = (rounds: number, blockId: UnsignedMessage['blockId']): UnsignedMessage[] =>
  Array.from({ length: rounds }, (_, round) => ({
    ...from,
    kind: 'precommit',
    round,
    blockId,
    validRound: NO_ROUND,
  }));

const isSame = (a: UnsignedMessage, b: UnsignedMessage): boolean =>
  a.kind === b.kind && a.round === b.round && a.blockId === b.blockId && a.validRound === b.validRound;

function subsets(of: readonly number[]): number[][] {
  const [first, ...rest] = of;
  if (first === undefined) return [[]];
  return subsets(rest).flatMap((set) => [set, [first, ...set]]);
}

const tell = (statements: ReadonlyMap<number, readonly UnsignedMessage[]>): string =>
  [...statements]
    .map(([liar, list]) => `${nameOfValidator(liar)} ${list.map(describe).join(' and ')}`)
    .join('; ');
