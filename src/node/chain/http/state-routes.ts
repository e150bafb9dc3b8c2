// Routes that show the state. Each reads records of one state, the newest or, with a proof, the one before the newest block.

import type { z } from 'zod';
import { toHex } from '../../../base/bytes.ts';
import type { Digest, ObjectId, OwnerId } from '../../../base/ids.ts';
import { accountKey, accountOf } from '../../../shards/account.ts';
import { bondsOf, unbondingOf } from '../../../shards/bonds.ts';
import { type BucketId, bucketListOf, bucketOf } from '../../../shards/bucket.ts';
import { epochStateOf } from '../../../shards/epoch-state.ts';
import { encodeShardHeader } from '../../../shards/header.ts';
import { LANES_KEY, type Lanes, lanesRecord } from '../../../shards/lane.ts';
import { encodeLightBlock } from '../../../shards/light-block.ts';
import { nodeOf, nodeWithKey, operatorOf, type Registration } from '../../../shards/node.ts';
import { objectOf, segmentsOf } from '../../../shards/object-record.ts';
import { parametersOf } from '../../../shards/parameters.ts';
import { homeOf, type StateKey } from '../../../shards/state-key.ts';
import { encodeProof } from '../../../shards/tree/proof.ts';
import { entriesOf } from '../../../shards/validator-sets.ts';
import type { Overlay } from '../../../shards/view.ts';
import type { ReadAnswer } from '../queries.ts';
import {
  accountJson,
  bucketJson,
  epochJson,
  type JsonObject,
  nodeJson,
  objectJson,
  objectRecordJson,
  parametersJson,
  shardsJson,
  validatorsJson,
} from './json.ts';
import { AT_LEAST, EPOCH_NUMBER, FLAG, idOf, PART, type Route, route, WAIT_MS } from './route.ts';
import {
  ACCOUNT,
  BUCKET,
  EPOCH,
  NODE,
  OBJECT,
  PARAMETERS,
  RECORD,
  SHARDS,
  stateAnswer,
  VALIDATORS,
} from './schemas.ts';

type Shape = Readonly<Record<string, z.ZodType>>;

interface StateRoute<P extends Shape, Q extends Shape, T> {
  readonly template: string;
  readonly name: string;
  readonly summary: string;
  readonly path: P;
  readonly query: Q;
  readonly value: z.ZodType;
  /** Undefined when the state has nothing there. */
  read(
    state: Overlay,
    path: { readonly [name in keyof P]: z.output<P[name]> },
    query: { readonly [name in keyof Q]: z.output<Q[name]> },
  ): T | undefined;
  json(value: T, answer: ReadAnswer<unknown>): JsonObject;
}

const COMMON = { prove: FLAG.optional(), atLeast: AT_LEAST.optional(), waitMs: WAIT_MS.optional() };

function stateRoute<P extends Shape, Q extends Shape, T>(spec: StateRoute<P, Q, T>): Route {
  const { template, name, summary, path } = spec;
  return route({
    method: 'GET',
    template,
    name,
    summary,
    path,
    query: { ...COMMON, ...spec.query },
    status: 200,
    answer: stateAnswer(spec.value),
    handle: async ({ queries }, asked) => {
      const query = asked.query as typeof asked.query & CommonValues;
      const { prove, atLeast, waitMs } = query;
      const answer = await queries.read((state) => spec.read(state, asked.path, query), {
        isProven: prove ?? false,
        atLeast: atLeast ?? 0,
        waitMs: waitMs ?? 0,
        signal: asked.signal,
      });
      const value = answer.value === undefined ? null : spec.json(answer.value, answer);
      return { height: answer.height, value, ...proofJson(answer) };
    },
  });
}

interface CommonValues {
  readonly prove: boolean | undefined;
  readonly atLeast: number | undefined;
  readonly waitMs: number | undefined;
}

function proofJson({ proof, shards }: ReadAnswer<unknown>): JsonObject {
  if (proof === undefined) return {};
  return {
    proof: {
      light: toHex(encodeLightBlock(proof.light)),
      shards: shards.map((shard) => toHex(encodeShardHeader(shard))),
      records: proof.records.map(({ key, record, proof: way }) => ({
        path: toHex(key.path),
        record: record === null ? null : toHex(record),
        proof: toHex(encodeProof(way)),
      })),
    },
  };
}

/** A record of which only the path is known. */
function keyAt(path: Digest): StateKey {
  return { home: homeOf('system'), kind: 'account', id: path, path, text: toHex(path) };
}

export const STATE_ROUTES: readonly Route[] = [
  stateRoute({
    template: '/v1/state/{path}',
    name: 'getRecord',
    summary: 'The record at a path of the state, as its bytes.',
    path: { path: idOf<Digest>('Path in the state.') },
    query: {},
    value: RECORD,
    read: (state, { path }) => {
      const record = state.read(keyAt(path));
      return record === null ? undefined : { path, record };
    },
    json: objectJson,
  }),
  stateRoute({
    template: '/v1/accounts/{owner}',
    name: 'getAccount',
    summary: 'Nonce and balances of an account, its buckets, and its nodes if it is an operator.',
    path: { owner: idOf<OwnerId>('Public key of the owner.') },
    query: {},
    value: ACCOUNT,
    read: (state, { owner }) =>
      state.read(accountKey(owner)) === null
        ? undefined
        : {
            owner,
            account: accountOf(state, owner),
            buckets: bucketListOf(state, owner),
            operator: operatorOf(state, owner),
          },
    json: ({ owner, account, buckets, operator }) => accountJson(owner, account, buckets, operator),
  }),
  stateRoute({
    template: '/v1/validators',
    name: 'getValidators',
    summary: 'The validators of an epoch: of the running one, the two after it, or one that is remembered.',
    path: {},
    query: { epoch: EPOCH_NUMBER.optional() },
    value: VALIDATORS,
    read: (state, _path, query) => {
      const epoch = query.epoch ?? epochStateOf(state).epoch;
      const entries = entriesOf(state, epoch);
      return entries === undefined ? undefined : { epoch, entries };
    },
    json: ({ epoch, entries }) => validatorsJson(epoch, entries),
  }),
  stateRoute({
    template: '/v1/nodes/{registration}',
    name: 'getNode',
    summary: 'A node with its stake, by the key it was registered with or one that it has or had since.',
    path: { registration: idOf<Registration>('Public key of the node.') },
    query: {},
    value: NODE,
    read: (state, { registration }) => {
      const node = nodeOf(state, registration) ?? nodeWithKey(state, registration);
      if (node === undefined) return undefined;
      const bonds = bondsOf(state, node.registration);
      return { node, bonds, unbonding: unbondingOf(state, node.registration) };
    },
    json: ({ node, bonds, unbonding }) => nodeJson(node, bonds, unbonding),
  }),
  stateRoute({
    template: '/v1/epoch',
    name: 'getEpoch',
    summary: 'The epoch that runs.',
    path: {},
    query: {},
    value: EPOCH,
    read: epochStateOf,
    json: epochJson,
  }),
  stateRoute({
    template: '/v1/shards',
    name: 'getShards',
    summary: 'The shards with the roots of their state, and how many receipts wait between them.',
    path: {},
    query: {},
    value: SHARDS,
    read: (state): Lanes | undefined => state.get(LANES_KEY, lanesRecord),
    json: (lanes, { shards }) => shardsJson(shards, lanes),
  }),
  stateRoute({
    template: '/v1/parameters',
    name: 'getParameters',
    summary: 'The rules of the network that its validators may change.',
    path: {},
    query: {},
    value: PARAMETERS,
    read: parametersOf,
    json: parametersJson,
  }),
  stateRoute({
    template: '/v1/buckets/{id}',
    name: 'getBucket',
    summary: 'A bucket: owner, policy, and how much its names stand for.',
    path: { id: idOf<BucketId>('Digest of network, owner and name.') },
    query: {},
    value: BUCKET,
    read: (state, { id }) => {
      const bucket = bucketOf(state, id);
      return bucket === undefined ? undefined : { id, bucket };
    },
    json: ({ id, bucket }) => bucketJson(id, bucket),
  }),
  stateRoute({
    template: '/v1/objects/{id}',
    name: 'getObject',
    summary: 'An object as the chain knows it; with `part`, who holds the pieces of some of its segments.',
    path: { id: idOf<ObjectId>('Id of the object.') },
    query: { part: PART.optional() },
    value: OBJECT,
    read: (state, { id }, { part }) => {
      const object = objectOf(state, id);
      if (object === undefined) return undefined;
      return { id, object, segments: part === undefined ? undefined : segmentsOf(state, id, part) };
    },
    json: ({ id, object, segments }) => objectRecordJson(id, object, segments),
  }),
];
