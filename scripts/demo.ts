// `npm run demo`: a real file on real node processes, under a name that their chain keeps, read back after most of them were killed and one
// of them lied.
// Ends with 0 only if everything it says held. Leaves no process and no file behind, also on Ctrl-C.

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBytes, formatDuration, formatRate, shortId, table } from '../cli/format.ts';
import type { NoticeJson } from '../cli/open.ts';
import { createSupervisor, type Supervisor } from '../cli/supervisor.ts';
import { flipBytes, largeFile, sha256Of } from './demo/files.ts';
import { makeLocalTrial } from './demo/local-trial.ts';
import { storeJson } from './demo/store-command.ts';

const NODES = 7;
const NAME = 'store://demo/node';
const NEW_NAME = 'store://demo/node-again';
/** Liars tried until a get happens to ask one: each piece is asked of k holders only. */
const LIARS_MAX = 3;
/** A try takes a second; nodes find each other within a few. */
const FIRST_BLOCK_TRIES = 20;

interface Step {
  readonly what: string;
  readonly tookMs: number;
  readonly bytes?: number;
  readonly proof: string;
}

interface PutJson {
  readonly uri: string;
  readonly code: { readonly k: number; readonly n: number };
  readonly missingPieces: number;
  readonly confirmedPieces: number;
  readonly totalPieces: number;
}

interface GetJson {
  readonly notices: readonly NoticeJson[];
}

class Failed extends Error {}

function check(isTrue: boolean, sentence: string): void {
  if (!isTrue) throw new Failed(sentence);
}

async function demo(
  folder: string,
  signal: AbortSignal,
  onSupervisor: (supervisor: Supervisor) => void,
): Promise<Step[]> {
  const steps: Step[] = [];
  const done = (step: Step): void => {
    steps.push(step);
    console.log(
      `  ${step.what} ... ${formatDuration(step.tookMs)}${step.proof === '' ? '' : `, ${step.proof}`}`,
    );
  };
  const timed = async <T>(run: () => Promise<T>): Promise<readonly [T, number]> => {
    signal.throwIfAborted();
    const startedAt = performance.now();
    const value = await run();
    return [value, performance.now() - startedAt];
  };

  const source = largeFile();
  const { size } = await stat(source);
  const wanted = await sha256Of(source);
  console.log(`file: ${source}, ${formatBytes(size)}, SHA-256 ${wanted.slice(0, 16)}...`);

  const trial = await makeLocalTrial(folder, NODES);
  const supervisor = createSupervisor({
    folders: trial.folders,
    isRestarting: false,
    onEvent: () => undefined,
  });
  onSupervisor(supervisor);
  const [lines, startMs] = await timed(() => supervisor.start());
  done({
    what: `start ${NODES} node processes`,
    tookMs: startMs,
    proof: 'each with its own key, folder and ports',
  });

  const env = { HOLDFAST_HOME: trial.home };
  const [{ validators }, chainMs] = await timed(() => firstBlock(env, signal));
  done({
    what: 'the chain makes its first block',
    tookMs: chainMs,
    proof: `${validators.length} validators, each executes and keeps everything`,
  });
  const putArgs = ['put', source, NAME, '--create-bucket', '--wait'];
  const [put, putMs] = await timed(() => storeJson<PutJson>(putArgs, { env, signal }));
  const { k, n } = put.code;
  check(put.missingPieces === 0, `${put.missingPieces} pieces could not be stored`);
  done({
    what: `store put ${NAME}`,
    tookMs: putMs,
    bytes: size,
    proof: `any ${k} of ${n} pieces rebuild, ${put.confirmedPieces} signed and synced`,
  });

  const fetch = async (file: string, name = NAME): Promise<readonly [GetJson, number]> => {
    const out = join(folder, file);
    const result = await timed(() => storeJson<GetJson>(['get', name, out], { env, signal }));
    const found = await sha256Of(out);
    check(found === wanted, `SHA-256 differs: ${found} instead of ${wanted}`);
    await rm(out);
    return result;
  };
  const [, getMs] = await fetch('healthy');
  done({ what: 'store get', tookMs: getMs, bytes: size, proof: 'same SHA-256' });

  const victims = Array.from({ length: n - k }, (_, index) => index);
  const [, killMs] = await timed(() => Promise.all(victims.map((index) => supervisor.kill(index))));
  done({ what: `kill -9 ${victims.length} of ${NODES} nodes`, tookMs: killMs, proof: `only ${k} are left` });
  const [, degradedMs] = await fetch('degraded');
  done({ what: `store get from ${k} nodes`, tookMs: degradedMs, bytes: size, proof: 'same SHA-256' });

  const [, restartMs] = await timed(() => Promise.all(victims.map((index) => supervisor.restart(index))));
  done({ what: 'start the killed nodes again', tookMs: restartMs, proof: 'same keys, same data' });
  const [, moveMs] = await timed(() => storeJson(['mv', NAME, NEW_NAME], { env, signal }));
  done({ what: `store mv ${NEW_NAME}`, tookMs: moveMs, proof: 'the chain stood still and goes on' });

  const liars: string[] = [];
  for (let index = NODES - 1; liars.length < LIARS_MAX; index--) {
    const liar = lines[index]!.node;
    const [flipped, flipMs] = await timed(() => flipBytes(trial.piecesOf(index)));
    check(flipped > 0, `node ${shortId(liar)} has no piece log to damage`);
    liars.push(liar);
    done({ what: `flip ${flipped} bytes on the disk of node ${shortId(liar)}`, tookMs: flipMs, proof: '' });
    const [{ notices }, liedMs] = await fetch('lied', NEW_NAME);
    const named = new Set(
      notices
        .filter(({ kind }) => kind === 'piece-wrong' || kind === 'piece-damaged')
        .map(({ node }) => node),
    );
    check(
      [...named].every((node) => liars.includes(node ?? '')),
      'an honest node was blamed',
    );
    const proof =
      named.size === 0
        ? 'same SHA-256, the damaged node was not asked'
        : `same SHA-256, bad pieces named: node ${[...named].map((node) => shortId(node!)).join(', ')}`;
    done({ what: 'store get with damaged pieces', tookMs: liedMs, bytes: size, proof });
    if (named.size > 0) return steps;
  }
  throw new Failed('no get named a node whose pieces were damaged');
}

interface ValidatorsJson {
  readonly validators: readonly unknown[];
}

/** Before the first block nothing of the chain can be proven. */
async function firstBlock(
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ValidatorsJson> {
  for (let tries = 0; ; tries++) {
    try {
      return await storeJson<ValidatorsJson>(['validators'], { env, signal });
    } catch (error) {
      if (tries === FIRST_BLOCK_TRIES || signal.aborted) throw error;
    }
  }
}

function summary(steps: readonly Step[]): string {
  const rows = steps.map(({ what, tookMs, bytes, proof }) => [
    what,
    formatDuration(tookMs),
    bytes === undefined ? '' : formatRate((bytes / tookMs) * 1000),
    proof,
  ]);
  return table(['step', 'time', 'rate', 'shown'], rows);
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-demo-'));
  const controller = new AbortController();
  let supervisor: Supervisor | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort());
  try {
    const steps = await demo(folder, controller.signal, (started) => {
      supervisor = started;
      controller.signal.addEventListener('abort', () => void started.stop());
    });
    console.log(`\n${summary(steps)}\n\ndemo: everything held`);
    return 0;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    console.error(controller.signal.aborted ? 'demo: interrupted' : `demo: FAILED: ${text}`);
    if (process.env['HOLDFAST_DEBUG'] && !(error instanceof Failed)) console.error(error);
    return controller.signal.aborted ? 130 : 1;
  } finally {
    await supervisor?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    const took = formatDuration(performance.now() - startedAt);
    console.log(`all nodes stopped, nothing left behind (${took})`);
  }
}

process.exit(await main());
