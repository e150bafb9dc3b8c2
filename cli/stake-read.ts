// What a state says of the stake of an account and of a node. Pure.

import { equal } from '../src/base/bytes.ts';
import type { OwnerId } from '../src/base/ids.ts';
import type { Moment } from '../src/client/chain/types.ts';
import { type Account, accountKey, accountOf } from '../src/shards/account.ts';
import type { Amounts } from '../src/shards/amounts.ts';
import {
  type Bond,
  bondsKey,
  bondsOf,
  type Unbonding,
  unbondingKey,
  unbondingOf,
} from '../src/shards/bonds.ts';
import { epochStateOf, isFree } from '../src/shards/epoch-state.ts';
import { type NodeRecord, nodeOf, nodeStateKey, operatorOf } from '../src/shards/node.ts';
import { type Parameters, parametersOf } from '../src/shards/parameters.ts';
import { readAll } from '../src/shards/read-all.ts';
import { stakeOf } from '../src/shards/stake.ts';
import { entriesOf } from '../src/shards/validator-sets.ts';
import type { Overlay } from '../src/shards/view.ts';
import { allNodes } from './stake-names.ts';

export interface UnbondingRead extends Unbonding {
  readonly isFree: boolean;
  /** The first epoch in which it may be free; undefined while it waits to be let go. */
  readonly freeFrom: number | undefined;
}

export interface NodeRead {
  readonly node: NodeRecord;
  readonly stake: bigint;
  /** In the epoch that runs; 0 for who is no validator. */
  readonly power: bigint;
  readonly bonds: readonly Bond[];
  readonly unbonding: readonly UnbondingRead[];
}

export interface AtNode {
  readonly node: NodeRecord;
  readonly bonded: Amounts;
  readonly unbonding: readonly UnbondingRead[];
}

export interface AccountRead {
  readonly owner: OwnerId;
  /** It has had a token at some time. */
  readonly isThere: boolean;
  readonly account: Account;
  /** That it operates, retired ones aside. */
  readonly operates: readonly NodeRecord[];
  readonly isTombstoned: boolean;
  /** Where it has something bonded or unbonding. */
  readonly stakes: readonly AtNode[];
}

/** Throws MissingRecords. */
export function readNode(state: Overlay, at: Moment, node: NodeRecord): NodeRead {
  const parameters = parametersOf(state);
  const entries = entriesOf(state, epochStateOf(state).epoch) ?? [];
  return {
    node,
    stake: stakeOf(parameters, node.bonded, node.provenGib),
    power: entries.find(({ registration }) => equal(registration, node.registration))?.power ?? 0n,
    bonds: bondsOf(state, node.registration),
    unbonding: unbondingOf(state, node.registration).map(withTime(state, at, parameters)),
  };
}

/** Throws MissingRecords. */
export function readAccount(state: Overlay, at: Moment, owner: OwnerId): AccountRead {
  const parameters = parametersOf(state);
  const operator = operatorOf(state, owner);
  const nodes = allNodes(state);
  readAll(
    state,
    nodes.flatMap(({ registration }) => [bondsKey(registration), unbondingKey(registration)]),
  );
  readAll(state, operator.nodes.map(nodeStateKey));
  const isOwn = (entry: { readonly owner: OwnerId }): boolean => equal(entry.owner, owner);
  const stakes = nodes.map((node): AtNode => {
    const queue = unbondingOf(state, node.registration).filter(isOwn);
    return {
      node,
      bonded: bondsOf(state, node.registration).find(isOwn)?.amounts ?? [],
      unbonding: queue.map(withTime(state, at, parameters)),
    };
  });
  return {
    owner,
    isThere: state.read(accountKey(owner)) !== null,
    account: accountOf(state, owner),
    operates: operator.nodes.map((registration) => nodeOf(state, registration)!),
    isTombstoned: operator.isTombstoned,
    stakes: stakes.filter(({ bonded, unbonding }) => bonded.length + unbonding.length > 0),
  };
}

function withTime(state: Overlay, { height, timeMs }: Moment, parameters: Parameters) {
  const epochState = epochStateOf(state);
  return (entry: Unbonding): UnbondingRead => {
    const { lastEpoch } = entry;
    if (lastEpoch === null) return { ...entry, isFree: false, freeFrom: undefined };
    return {
      ...entry,
      isFree: isFree(epochState, parameters, { height, timeMs }, lastEpoch),
      freeFrom: lastEpoch + parameters.stake.unbondingEpochs + 1,
    };
  };
}
