// Whom to ask for the newest header, and how many. A few nodes are enough to notice one that is behind or lies; more than two thirds of the
// validators are needed to be sure that nothing which somebody else has finished is missed.

import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { LIGHT_WITNESSES, WITNESS_PATIENCE_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import type { ValidatorSet } from '../../consensus/types.ts';
import { indexOf, isQuorum, powerOf } from '../../consensus/validator-set.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import { NotBegun } from './not-begun.ts';
import type { Answered, Providers } from './providers.ts';

/**
 * `few`: a node and its witnesses, and as many of them as answer soon. `quorum`: validators of more than two thirds of all power; whatever was
 * decided and shown to anybody before is then known to one of them that is honest.
 */
export type Freshness = 'few' | 'quorum';

/** A node that shows no header, and why. */
interface Silent {
  readonly node: NodeId;
  readonly error: StoreError;
}

interface Gathered {
  readonly heads: readonly Answered<LightBlock>[];
  readonly silent: readonly Silent[];
}

/**
 * What the nodes asked say, unverified; in place of nodes that fail others are asked. Throws NotBegun where nodes answer and have no block to
 * show yet, UNREACHABLE when nobody answers, or not enough for a quorum, and what `Providers.first` throws.
 */
export async function askHeads(
  providers: Providers,
  clock: Clock,
  ask: (node: NodeId) => Promise<LightBlock>,
  freshness: Freshness,
  validators: ValidatorSet,
): Promise<readonly Answered<LightBlock>[]> {
  const isSure = freshness === 'quorum';
  const gathered = isSure
    ? await gatherQuorum(providers, clock, ask, validators)
    : await gather(providers, clock, ask, providers.order(), 1 + LIGHT_WITNESSES);
  const nodes = gathered.heads.map(({ node }) => node);
  if (isSure ? isQuorumOf(validators, nodes) : nodes.length > 0) return gathered.heads;
  const waiting = notBegun(gathered, validators, isSure);
  if (waiting !== undefined) throw waiting;
  if (isSure) throw tooFew(validators, nodes);
  // Says why: nobody is known, all of them lied, or none can be reached.
  return [await providers.first('newest header of the chain', ask)];
}

async function gatherQuorum(
  providers: Providers,
  clock: Clock,
  ask: (node: NodeId) => Promise<LightBlock>,
  set: ValidatorSet,
): Promise<Gathered> {
  const order = providers.order().filter((node) => indexOf(set, node) !== undefined);
  // Who was set aside counts only when all the others have answered or failed.
  const isEnough = (heads: readonly Answered<LightBlock>[]): boolean =>
    isQuorumOf(
      set,
      heads.map(({ node }) => node).filter((node) => !providers.isSetAside(node)),
    );
  return gather(providers, clock, ask, order, order.length, isEnough);
}

function powerIn(set: ValidatorSet, nodes: readonly NodeId[]): bigint {
  const indices = nodes.map((node) => indexOf(set, node)).filter((index) => index !== undefined);
  return indices.reduce((sum, index) => sum + powerOf(set, index), 0n);
}

/** Whether `nodes`, each of which is there once, have more than two thirds of all power. */
export function isQuorumOf(set: ValidatorSet, nodes: readonly NodeId[]): boolean {
  return isQuorum(set, powerIn(set, nodes));
}

export function tooFew(set: ValidatorSet, nodes: readonly NodeId[]): StoreError {
  const count = nodes.filter((node) => indexOf(set, node) !== undefined).length;
  const what = `${count} of ${set.validators.length} validators answered, with ${powerIn(set, nodes)} of ${set.totalPower} of all power`;
  return new StoreError(
    'UNREACHABLE',
    `the newest header of the chain: ${what}, and more than two thirds are needed`,
  );
}

/** They answer, and have no block here, or no chain at work while they fetch one. */
const WAITING_CODES: ReadonlySet<string> = new Set(['NOT_FOUND', 'BUSY', 'CLOSED']);

/** Undefined when waiting would not help: blocks are shown, and who is missing does not answer at all. */
function notBegun({ heads, silent }: Gathered, set: ValidatorSet, isSure: boolean): NotBegun | undefined {
  const waiting = silent.filter(({ error }) => WAITING_CODES.has(error.code));
  if (waiting.length === 0) return undefined;
  const answering = [...heads, ...waiting].map(({ node }) => node);
  if (heads.length > 0 && !isQuorumOf(set, answering)) return undefined;
  const isValidator = ({ node }: { readonly node: NodeId }): boolean => indexOf(set, node) !== undefined;
  const isEmpty = ({ error }: Silent): boolean => error.code === 'NOT_FOUND';
  return new NotBegun(
    {
      validators: set.validators.length,
      answering: [...heads, ...waiting].filter(isValidator).length,
      isQuorum: isQuorumOf(set, answering),
      withBlocks: heads.length,
      without: waiting.filter(isEmpty).length,
      reason: waiting.find((each) => !isEmpty(each))?.error.message,
    },
    isSure,
  );
}

/**
 * Asks `wanted` of `order` at a time until as many have answered. With `isEnough` it decides alone; without it, those that have not
 * answered are waited for shortly when one has.
 */
function gather(
  providers: Providers,
  clock: Clock,
  ask: (node: NodeId) => Promise<LightBlock>,
  order: readonly NodeId[],
  wanted: number,
  isEnough?: (heads: readonly Answered<LightBlock>[]) => boolean,
): Promise<Gathered> {
  return new Promise((resolve, reject) => {
    const heads: Answered<LightBlock>[] = [];
    const silent: Silent[] = [];
    const waiting = new Map<string, NodeId>();
    let next = 0;
    let isOver = false;
    let cancel = (): void => undefined;
    const end = (): void => {
      isOver = true;
      cancel();
      resolve({ heads: [...heads], silent: [...silent] });
    };
    /** Who is so late is asked last for a while. */
    const endWithout = (): void => {
      for (const node of waiting.values()) providers.bar(node);
      end();
    };
    const step = (): void => {
      if (isOver) return;
      while (heads.length + waiting.size < wanted && next < order.length) start(order[next++]!);
      if (waiting.size === 0 || heads.length >= wanted || isEnough?.(heads) === true) end();
    };
    const start = (node: NodeId): void => {
      waiting.set(toHex(node), node);
      ask(node)
        .then((value) => {
          heads.push({ node, value });
          if (isEnough === undefined && heads.length === 1 && !isOver)
            cancel = clock.timer(WITNESS_PATIENCE_MS, endWithout);
        })
        .catch((error: unknown) => {
          if (!providers.isLie(node, error)) silent.push({ node, error: providers.failure(node, error) });
        })
        .then(() => {
          waiting.delete(toHex(node));
          step();
        })
        .catch((error: unknown) => {
          cancel();
          reject(error as Error);
        });
    };
    step();
  });
}
