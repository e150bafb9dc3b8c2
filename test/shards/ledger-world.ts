// A chain in memory under the rules of the whole ledger: stake, epochs and shards, founded as a network is. The four validators of
// `world.ts` are its nodes, each with an operator of its own.

import type { NodeId, OperatorId } from '../../src/base/ids.ts';
import type { ValidatorSet } from '../../src/consensus/types.ts';
import type { Amounts } from '../../src/shards/amounts.ts';
import type { Applied, ChainContext } from '../../src/shards/apply.ts';
import type { Block } from '../../src/shards/block.ts';
import { type Founding, writeGenesis } from '../../src/shards/genesis-state.ts';
import { heightFacts } from '../../src/shards/height-facts.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import type { Parameters } from '../../src/shards/parameters.ts';
import { fastSha256 } from './kinds.ts';
import { foundingOf } from './stake-kit.ts';
import { ownerOf, signerOf, World } from './world.ts';

export interface LedgerWorldOptions {
  readonly shardBits: number;
  readonly parameters: Partial<Parameters>;
  /** Operators of the nodes v0 to v3, by name. */
  readonly operators: readonly [string, string, string, string];
  readonly balances: Readonly<Record<string, Amounts>>;
}

export class LedgerWorld extends World {
  #parentSet: ValidatorSet | undefined;

  constructor(options: LedgerWorldOptions) {
    const { shardBits } = options;
    const founding = foundingWith(options);
    super({
      shardBits,
      rules: LEDGER_RULES,
      found: (state) => writeGenesis(state, founding, fastSha256),
    });
    this.timeMs = founding.createdAtMs;
  }

  override context(): ChainContext {
    const context = super.context();
    const facts = heightFacts(this.state, this.height + 1, fastSha256);
    return { ...context, ...facts, parent: { ...context.parent, validators: this.#parentSet } };
  }

  override accept(sent: Block): Applied {
    const { validators } = this.context();
    const applied = super.accept(sent);
    this.#parentSet = validators;
    return applied;
  }
}

function foundingWith({ shardBits, parameters, operators, balances }: LedgerWorldOptions): Founding {
  const founding = foundingOf({ parameters });
  const { record } = founding;
  const members = record.members.map((member, index) => ({
    ...member,
    node: signerOf(`v${index}`).publicKey as NodeId,
    operator: operators[index] as OperatorId,
  }));
  return {
    ...founding,
    record: { ...record, members, params: { ...record.params, shardBits, shardMembersMin: 1 } },
    operators: new Map(operators.map((name) => [name as OperatorId, ownerOf(name)])),
    balances: Object.entries(balances).map(([name, amounts]) => [ownerOf(name), amounts]),
  };
}
