// Height 0: the state that a network's founding record amounts to. Its members become nodes with their stake bonded by their operators and with
// the admission seeds they have, so that no piece moves when a network gets its chain. Epochs 0 and 1 have the same validators; blocks
// begin with height 1.
//
// The record names operators by words, the chain by accounts: who founds the network says which account each is. The first record of the chain
// follows on the founding record (`previous`).

import { toHex } from '../base/bytes.ts';
import { type EpochRecord, epochDigest, type Member } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Epoch, NodeId, OperatorId, OwnerId } from '../base/ids.ts';
import { OPERATOR_NODES_MAX } from '../base/limits.ts';
import { type ChainPosition, epochSeed, foundingContributor, foundingMix } from '../consensus/beacon.ts';
import { credit } from './account.ts';
import { type Amounts, amountOf, NATIVE } from './amounts.ts';
import { addBond, sumOf } from './bonds.ts';
import { byPower } from './churn.ts';
import { putEpochState } from './epoch-state.ts';
import { foundLanes } from './lane.ts';
import { epochRecordOf, memberOf, putMembers } from './members.ts';
import { type NodeRecord, nodeOf, operatorOf, putNode, putOperator, takeKey } from './node.ts';
import { takePlace } from './node-index.ts';
import { type Parameters, parametersProblem, putParameters } from './parameters.ts';
import { putContributor, resetTurns } from './turns.ts';
import { stakeOf } from './stake.ts';
import { isWithinBounds, putSupply } from './supply.ts';
import { putEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

export interface Founding {
  /** Epoch 0 as its founder signed it. A member's stake is in native tokens. */
  readonly record: EpochRecord;
  readonly createdAtMs: number;
  /** What concerns storage is taken from the record. */
  readonly parameters: Parameters;
  /** The account of each operator that the record names. */
  readonly operators: ReadonlyMap<OperatorId, OwnerId>;
  /** What accounts have beside stake. */
  readonly balances: readonly (readonly [owner: OwnerId, amounts: Amounts])[];
  /** Reveal chains of members that have one; the others may commit to one later. */
  readonly chains: readonly (readonly [node: NodeId, chain: ChainPosition])[];
}

const FIRST_HEIGHT = 1;

/** Writes height 0 to an empty state. Throws INVALID_CONFIG when the parts do not fit together. */
export function writeGenesis(state: Overlay, founding: Founding, sha256?: Sha256): void {
  const { record, balances, chains } = founding;
  const parameters = parametersWith(founding);
  const total = sumOf([
    ...record.members.map(({ stake }) => amountOf(NATIVE, stake)),
    ...balances.map(([, amounts]) => amounts),
  ]);
  if (!isWithinBounds(parameters, total)) throw off('more tokens are given out than there may be');
  putParameters(state, parameters);
  putSupply(state, { total, issued: [], burned: [] });
  for (const [owner, amounts] of balances) credit(state, owner, amounts);
  for (const member of record.members) found(state, parameters, founding, member);
  const nodes = record.members.map(({ node }) => nodeOf(state, node)!);
  const validators = putFirstSets(state, parameters, nodes);
  resetTurns(state, foundingMix(record.network, sha256), validators);
  putFirstEpoch(state, parameters, founding, nodes, sha256);
  foundLanes(state, record.params.shardBits);
  for (const [node, chain] of chains) {
    if (nodeOf(state, node) === undefined) throw off(`a reveal chain belongs to no member, ${toHex(node)}`);
    putContributor(state, node, foundingContributor(chain));
  }
}

function parametersWith({ record, parameters }: Founding): Parameters {
  const { shardBits, shardMembersMin, operatorShareDivisor, isTrial } = record.params;
  const all: Parameters = { ...parameters, storage: { shardMembersMin, operatorShareDivisor, isTrial } };
  const problem = parametersProblem(all);
  if (problem !== undefined) throw off(problem);
  const { bitsMin, bitsMax } = all.sharding;
  if (shardBits < bitsMin || shardBits > bitsMax) throw off(`2^${shardBits} shards are out of bounds`);
  if (record.epoch !== 0) throw off(`a network is founded with epoch 0, not ${record.epoch}`);
  return all;
}

function found(state: Overlay, parameters: Parameters, { operators }: Founding, member: Member): void {
  const owner = operators.get(member.operator);
  if (owner === undefined) throw off(`operator ${member.operator} has no account`);
  const operator = operatorOf(state, owner);
  if (operator.nodes.length === OPERATOR_NODES_MAX)
    throw off(`operator ${member.operator} has more than ${OPERATOR_NODES_MAX} nodes`);
  const place = takePlace(state, member.node);
  if (place === undefined) throw off('there are too many members');
  const node: NodeRecord = {
    registration: member.node,
    operator: owner,
    key: member.node,
    place,
    registeredEpoch: 0 as Epoch,
    keyedEpoch: 0 as Epoch,
    admissionSeed: member.admissionSeed,
    provenGib: 0,
    capacityBytes: member.capacityBytes,
    domains: member.domains,
    validates: true,
    acceptsDelegation: false,
    bonded: [],
    waiting: [],
    isRetired: false,
    isTombstoned: false,
    isJailed: false,
    jailedUntil: 0 as Epoch,
    offence: null,
  };
  putNode(state, node);
  takeKey(state, member.node, member.node);
  putOperator(state, owner, { ...operator, nodes: [...operator.nodes, member.node] });
  const isEnough = member.stake >= parameters.stake.nodeMin;
  const refusal = isEnough
    ? addBond(state, parameters, node, owner, amountOf(NATIVE, member.stake))
    : 'too little';
  if (refusal !== undefined) throw off(`stake of member ${toHex(member.node)}: ${refusal}`);
}

/** Gives how many validators there are. */
function putFirstSets(state: Overlay, parameters: Parameters, nodes: readonly NodeRecord[]): number {
  const powers = nodes
    .map((node): readonly [string, bigint] => [toHex(node.registration), stakeOf(parameters, node.bonded)])
    .filter(([, power]) => power >= parameters.stake.validatorMin)
    .sort(byPower);
  const chosen = new Map(powers.slice(0, parameters.stake.validatorsMax));
  const entries = nodes
    .filter((node) => chosen.has(toHex(node.registration)))
    .map(({ key, registration, operator }) => ({
      node: key,
      power: chosen.get(toHex(registration))!,
      registration,
      operator,
    }));
  if (entries.length === 0) throw off('no member has the least stake of a validator');
  for (const epoch of [0, 1]) putEntries(state, epoch as Epoch, entries);
  return entries.length;
}

function putFirstEpoch(
  state: Overlay,
  parameters: Parameters,
  { record, createdAtMs }: Founding,
  nodes: readonly NodeRecord[],
  sha256?: Sha256,
): void {
  const epoch = 0 as Epoch;
  const seed = epochSeed(record.network, epoch, foundingMix(record.network, sha256), sha256);
  const members = nodes.map((node) => memberOf(parameters, node, node.admissionSeed!, false));
  const { shardBits } = record.params;
  const previous = epochDigest(record, sha256);
  const header = { network: record.network, epoch, previous, seed, shardBits };
  const first = epochRecordOf(parameters, header, members);
  putMembers(state, first.members, 0);
  putEpochState(state, {
    epoch,
    lengthBlocks: parameters.epochBlocks,
    seed,
    shardBits,
    mode: 'shared',
    membersDigest: epochDigest(first, sha256),
    previousDigest: previous,
    memberCount: members.length,
    starts: [{ height: FIRST_HEIGHT, timeMs: createdAtMs }],
  });
}

function off(problem: string): StoreError {
  return new StoreError('INVALID_CONFIG', `genesis: ${problem}`);
}
