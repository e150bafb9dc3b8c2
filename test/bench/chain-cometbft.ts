// CometBFT with its kvstore application under the same load as our chain: as many transactions of the same length, handed in over
// websockets to as many of its nodes, no more of them ahead of what is final. It checks no signatures and keeps no proofs of records.

import { randomBytes } from 'node:crypto';
import { numberIn, cpuSecondsOf } from './local-network.ts';
import { sleep } from './consensus-run.ts';
import { type RunningCometbft, startCometbft } from './peers/cometbft.ts';

export interface CometbftLoad {
  readonly count: number;
  readonly entries: number;
  readonly transactions: number;
  readonly lengthBytes: number;
  readonly window: number;
  readonly pauseMs: number;
}

export interface CometbftFigures {
  readonly transactions: number;
  readonly seconds: number;
  readonly finalMs: readonly number[];
  readonly heights: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** Transactions in one message to a node: it takes a list of requests. */
const BATCH = 20;
const DEADLINE_MS = 180_000;

export async function measureCometbftLoad(load: CometbftLoad): Promise<CometbftFigures | string> {
  return await startCometbft(load, (running) => measure(running, load));
}

async function measure(running: RunningCometbft, load: CometbftLoad): Promise<CometbftFigures> {
  const { children, addresses } = running;
  const { entries, transactions, window, lengthBytes } = load;
  const sockets = await Promise.all(addresses.slice(0, entries).map((address) => openSocket(address)));
  const work = Array.from({ length: transactions }, (_, index) => transactionAt(index, lengthBytes));
  const handedMs = new Map<string, number>();
  const finalMs: number[] = [];
  let heights = 0;
  let wake = (): void => {};
  // The first node says what it decided; the others are level with it within a moment.
  sockets[0]!.addEventListener('message', ({ data }) => {
    const block = blockIn(String(data));
    if (block === undefined) return;
    heights++;
    for (const text of block) {
      const began = handedMs.get(text);
      if (began !== undefined) finalMs.push(performance.now() - began);
    }
    wake();
  });
  sockets[0]!.send(
    JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'subscribe', params: { query: "tm.event='NewBlock'" } }),
  );
  const cpu = (): number => children.reduce((sum, { pid }) => sum + cpuSecondsOf(pid!), 0);
  const cpuBefore = cpu();
  const began = performance.now();
  for (let at = 0; at < work.length; at += BATCH) {
    while (at - finalMs.length >= window) await new Promise<void>((resolve) => (wake = resolve));
    const some = work.slice(at, at + BATCH);
    for (const text of some) handedMs.set(text, performance.now());
    const requests = some.map((text, index) => ({
      jsonrpc: '2.0',
      id: 1 + at + index,
      method: 'broadcast_tx_async',
      params: { tx: text },
    }));
    const socket = sockets[(at / BATCH) % sockets.length]!;
    for (const request of requests) socket.send(JSON.stringify(request));
    if (socket.bufferedAmount > 1024 * 1024) await sleep(1);
  }
  while (finalMs.length < work.length && performance.now() - began < DEADLINE_MS) await sleep(5);
  const seconds = (performance.now() - began) / 1000;
  const rss = children.map(({ pid }) => 1024 * numberIn(pid!, 'status', /VmHWM:\s+(\d+)/));
  for (const socket of sockets) socket.close();
  return {
    transactions: finalMs.length,
    seconds,
    finalMs,
    heights,
    cpuMs: 1000 * (cpu() - cpuBefore),
    rssBytes: Math.max(...rss),
  };
}

/** `key=value` in base64, as its RPC takes it and shows it. */
function transactionAt(index: number, lengthBytes: number): string {
  const key = `${index}-`;
  const filling = randomBytes(lengthBytes)
    .toString('hex')
    .slice(0, lengthBytes - key.length - 2);
  return Buffer.from(`${key}a=${filling}`).toString('base64');
}

function openSocket(address: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${address}:26657/websocket`);
    socket.addEventListener('open', () => resolve(socket));
    socket.addEventListener('error', () => reject(new Error(`no websocket at ${address}`)));
  });
}

interface BlockEvent {
  readonly result?: {
    readonly data?: {
      readonly value?: { readonly block?: { readonly data: { readonly txs: readonly string[] } } };
    };
  };
}

function blockIn(text: string): readonly string[] | undefined {
  if (!text.includes('"block"')) return undefined;
  return (JSON.parse(text) as BlockEvent).result?.data?.value?.block?.data.txs;
}
