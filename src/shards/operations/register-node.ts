// A new node, with its first bond. It becomes a member when the chain has drawn its admission seed, two borders later, and a validator when
// its stake is among the largest and churn lets it in.

import { z } from 'zod';
import { bigUint, bytesOf, digestOf } from '../../base/codec.ts';
import type { Epoch, NodeId, Signature } from '../../base/ids.ts';
import { OPERATOR_NODES_MAX } from '../../base/limits.ts';
import { amountOf, NATIVE, NOTHING } from '../amounts.ts';
import { addBond, bondsKey, unbondingKey } from '../bonds.ts';
import { isKeyProven } from '../key-proof.ts';
import {
  isKeyTaken,
  type NodeData,
  nodeDataSchema,
  nodeDataTuple,
  nodeKeyStateKey,
  type NodeRecord,
  nodeStateKey,
  operatorOf,
  operatorStateKey,
  putNode,
  putOperator,
  takeKey,
} from '../node.ts';
import { nodeCountKey, takePlace } from '../node-index.ts';
import { parametersKey, parametersOf } from '../parameters.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';

export interface RegisterNode {
  readonly key: NodeId;
  /** `proveKey` by that key. */
  readonly proof: Signature;
  readonly data: NodeData;
  /** Native tokens bonded with it. */
  readonly amount: bigint;
}

export const registerNode: SystemOperation<RegisterNode> = systemOperation({
  kind: 'register-node',
  tag: 16,
  schema: z
    .tuple([digestOf<NodeId>(), bytesOf(64), nodeDataSchema, bigUint])
    .transform(([key, proof, data, amount]) => ({ key, proof: proof as Signature, data, amount })),
  tuple: ({ key, proof, data, amount }) => [key, proof, nodeDataTuple(data), amount],
  value: ({ amount }) => amountOf(NATIVE, amount),
  check: ({ block, sender }, { key, proof }) =>
    isKeyProven(block.network, sender, key, proof, block.verify) ? undefined : 'invalid-argument',
  touches: (from, { key }) => [
    parametersKey(),
    operatorStateKey(from),
    nodeKeyStateKey(key),
    nodeStateKey(key),
    bondsKey(key),
    unbondingKey(key),
    nodeCountKey(),
  ],
  execute: ({ state, block }, { from, action }) => {
    const operator = operatorOf(state, from);
    const parameters = parametersOf(state);
    if (operator.isTombstoned) return 'tombstoned';
    if (operator.jailedUntil > block.epoch) return 'jailed';
    if (isKeyTaken(state, action.key)) return 'already-exists';
    if (action.amount < parameters.stake.nodeMin) return 'insufficient-balance';
    if (operator.nodes.length === OPERATOR_NODES_MAX) return 'limit-exceeded';
    const place = takePlace(state, action.key);
    if (place === undefined) return 'limit-exceeded';
    const node: NodeRecord = {
      ...action.data,
      registration: action.key,
      operator: from,
      key: action.key,
      place,
      registeredEpoch: block.epoch,
      keyedEpoch: block.epoch,
      admissionSeed: null,
      provenGib: 0,
      bonded: NOTHING,
      waiting: NOTHING,
      isRetired: false,
      isTombstoned: false,
      isJailed: false,
      jailedUntil: 0 as Epoch,
      offence: null,
    };
    putNode(state, node);
    takeKey(state, action.key, action.key);
    putOperator(state, from, { ...operator, nodes: [...operator.nodes, action.key] });
    return addBond(state, parameters, node, from, amountOf(NATIVE, action.amount));
  },
});
