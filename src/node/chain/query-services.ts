// The queries of a chain as services between peers: chain-founding, chain-head, chain-light, chain-prove, chain-submit, chain-transaction and
// chain-block. Their forms are in `shards/chain-messages.ts`: the request is the header, the answer is the body. Here are their bounds.

import type { Digest } from '../../base/ids.ts';
import {
  CHAIN_QUERIES_PER_SECOND,
  CHAIN_QUERY_CONCURRENCY,
  CHAIN_WAIT_MS_MAX,
  EXCHANGE_TIMEOUT_MS,
  SERVICE_HEADER_LENGTH_MAX,
  SUBMITS_PER_SECOND,
  TRANSACTION_LENGTH_MAX,
} from '../../base/limits.ts';
import type { ServedReply, Service } from '../../base/ports.ts';
import {
  CHAIN_SERVICES,
  decodeHeight,
  decodeNothing,
  decodeProve,
  decodeTransactionRequest,
  encodeDecision,
  encodeNothing,
  encodeProveReply,
  encodeSubmitted,
  encodeTransactionReply,
} from '../../shards/chain-messages.ts';
import { encodeLightBlock } from '../../shards/light-block.ts';
import { atBorder } from '../stored.ts';
import type { ChainQueries } from './queries.ts';

const BOUNDS = {
  maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
  maxBodyLength: 0,
  /** To read and encode, beside what a query may wait for. */
  timeoutMs: EXCHANGE_TIMEOUT_MS + CHAIN_WAIT_MS_MAX,
  maxConcurrentPerPeer: CHAIN_QUERY_CONCURRENCY,
  maxPerSecondPerPeer: CHAIN_QUERIES_PER_SECOND,
};

type Answer = (header: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

export function queryServices(queries: ChainQueries): Service[] {
  const { founding, head, light, block, prove, transaction } = CHAIN_SERVICES;
  return [
    service(founding, async (header) => {
      decodeNothing(header, founding);
      return queries.founding;
    }),
    service(head, async (header, signal) => {
      decodeNothing(header, head);
      return encodeLightBlock(await queries.head(signal));
    }),
    service(light, async (header, signal) =>
      encodeLightBlock(await queries.light(decodeHeight(header, light), signal)),
    ),
    service(block, async (header, signal) =>
      encodeDecision(await queries.block(decodeHeight(header, block), signal)),
    ),
    service(prove, async (header, signal) =>
      encodeProveReply(await queries.prove(decodeProve(header), signal)),
    ),
    {
      ...service(transaction, async (header, signal) =>
        encodeTransactionReply(await queries.transaction(decodeTransactionRequest(header), signal)),
      ),
      // Whoever hands in so many asks for as many.
      maxPerSecondPerPeer: SUBMITS_PER_SECOND,
    },
    submitService((bytes) => queries.submit(bytes)),
  ];
}

function service(name: string, answer: Answer): Service {
  return {
    ...BOUNDS,
    name,
    handle: (_from, header, _body, signal) => atBorder(async () => replyOf(await answer(header, signal))),
  };
}

function submitService(submit: (bytes: Uint8Array) => Promise<Digest>): Service {
  const name = CHAIN_SERVICES.submit;
  return {
    ...BOUNDS,
    name,
    maxBodyLength: TRANSACTION_LENGTH_MAX,
    maxPerSecondPerPeer: SUBMITS_PER_SECOND,
    // Lanes may give a view of memory that they use again, and a Buffer besides, which is no record.
    handle: (_from, header, body) =>
      atBorder(async () => {
        decodeNothing(header, name);
        return replyOf(encodeSubmitted(await submit(new Uint8Array(body))));
      }),
  };
}

const replyOf = (body: Uint8Array): ServedReply => ({ header: encodeNothing(), body: [body] });
