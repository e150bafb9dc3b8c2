// The routes of the HTTP interface, all of them.

import { toHex } from '../../../base/bytes.ts';
import { StoreError } from '../../../base/errors.ts';
import type { Digest } from '../../../base/ids.ts';
import { encodeLightBlock } from '../../../shards/light-block.ts';
import { decodeTransaction } from '../../../shards/transaction.ts';
import type { ChainStatus } from '../chain-service.ts';
import { auditsJson, blockJson, headerJson, type JsonObject, lightJson, transactionJson } from './json.ts';
import { FLAG, HEIGHT, idOf, type Route, type RoutePorts, route, WAIT_MS } from './route.ts';
import { AUDITS, BLOCK, HEAD, HEADER, INCLUDED, LIGHT, STATUS, SUBMITTED } from './schemas.ts';
import { STATE_ROUTES } from './state-routes.ts';

export const ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    template: '/v1/status',
    name: 'getStatus',
    summary:
      'How the node stands: its role, the newest height, what it keeps, and how far a state is that it fetches.',
    path: {},
    query: {},
    status: 200,
    answer: STATUS,
    handle: async ({ store, networkId, status }) => {
      // While a state is fetched too, when nothing else of the chain can be asked for.
      const { role, epoch, waitingTransactions, fetching } = status();
      const { height, id, timeMs } = store.head!;
      const { oldestBlock, oldestState } = store;
      return {
        network: toHex(networkId),
        role,
        height,
        id: toHex(id),
        timeMs,
        epoch,
        oldestBlock,
        oldestState,
        waitingTransactions,
        fetching: role === 'fetching' ? fetchingJson(fetching) : null,
      };
    },
  }),
  route({
    method: 'GET',
    template: '/v1/audits',
    name: 'getAudits',
    summary:
      'What the chain says that the node holds, and what the last audit rounds asked of it. BUSY while it reads what it holds.',
    path: {},
    query: {},
    status: 200,
    answer: AUDITS,
    handle: async ({ audits }) => auditsJson(await audits()),
  }),
  route({
    method: 'GET',
    template: '/v1/head',
    name: 'getHead',
    summary: 'The newest block that is final.',
    path: {},
    query: {},
    status: 200,
    answer: HEAD,
    handle: async ({ queries }, { signal }) => {
      const { height, id, timeMs } = queries.top;
      if (height === 0) return { height, id: toHex(id), timeMs, header: null };
      const light = await queries.light(height, signal);
      return { height, id: toHex(id), timeMs, header: headerJson(light.header, light.id) };
    },
  }),
  route({
    method: 'GET',
    template: '/v1/blocks/{height}',
    name: 'getBlock',
    summary: 'A block with its transactions and what came of them.',
    path: { height: HEIGHT },
    query: {},
    status: 200,
    answer: BLOCK,
    handle: async ({ queries }, { path, signal }) => {
      const { block, certificate, refusals } = await queries.outcomes(path.height, signal);
      return blockJson(block, certificate, refusals);
    },
  }),
  route({
    method: 'GET',
    template: '/v1/headers/{height}',
    name: 'getHeader',
    summary: 'The header of a block.',
    path: { height: HEIGHT },
    query: {},
    status: 200,
    answer: HEADER,
    handle: async ({ queries }, { path, signal }) => {
      const { header, id } = await queries.light(path.height, signal);
      return headerJson(header, id);
    },
  }),
  route({
    method: 'GET',
    template: '/v1/light/{height}',
    name: 'getLightBlock',
    summary: 'Header, decision and validators of a height: what a light client follows.',
    path: { height: HEIGHT },
    query: {},
    status: 200,
    answer: LIGHT,
    handle: async ({ queries }, { path, signal }) => lightJson(await queries.light(path.height, signal)),
  }),
  route({
    method: 'GET',
    template: '/v1/transactions/{id}',
    name: 'getTransaction',
    summary: 'Where a transaction was included and what came of it, or that it waits.',
    path: { id: idOf<Digest>('Id of the transaction.') },
    query: { prove: FLAG.optional(), waitMs: WAIT_MS.optional() },
    status: 200,
    answer: INCLUDED,
    handle: async (ports, { path, query, signal }) => {
      const { prove = false, waitMs = 0 } = query;
      return showTransaction(ports, path.id, { prove, waitMs, signal });
    },
  }),
  route({
    method: 'POST',
    template: '/v1/transactions',
    name: 'submitTransaction',
    summary: 'Hands in a signed transaction. It is checked and then waits for a block.',
    path: {},
    query: {},
    status: 202,
    answer: SUBMITTED,
    handle: async ({ queries }, { body }) => ({ id: toHex(await queries.submit(body)) }),
  }),
  ...STATE_ROUTES,
];

/** A state that is still looked for has no height yet. */
function fetchingJson(progress: ChainStatus['fetching']): JsonObject {
  if (progress === undefined) return { height: null, percent: 0, records: 0, bytes: 0 };
  const { height, percent, records, bytes } = progress;
  return { height, percent, records, bytes };
}

async function showTransaction(
  { queries, isWaiting }: RoutePorts,
  id: Digest,
  {
    prove,
    waitMs,
    signal,
  }: { readonly prove: boolean; readonly waitMs: number; readonly signal: AbortSignal },
): Promise<JsonObject> {
  try {
    const { light, index, count, path, refusal, bytes } = await queries.transaction({ id, waitMs }, signal);
    const proof = { light: toHex(encodeLightBlock(light)), path: path.map(toHex) };
    return {
      status: 'included',
      height: light.header.height,
      index,
      count,
      refusal: refusal ?? null,
      transaction: transactionJson(decodeTransaction(bytes, queries.kinds.operations)),
      bytes: toHex(bytes),
      ...(prove ? { proof } : {}),
    };
  } catch (error) {
    const isUnknown = error instanceof StoreError && error.code === 'NOT_FOUND';
    if (!isUnknown || !isWaiting(toHex(id))) throw error;
    return { status: 'waiting' };
  }
}
