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
import type { Answered, Providers } from './providers.ts';

/**
 * `few`: a node and its witnesses, and as many of them as answer soon. `quorum`: validators of more than two thirds of all power; whatever was
 * decided and shown to anybody before is then known to one of them that is honest.
 */
export type Freshness = 'few' | 'quorum';

/**
 * What the nodes asked say, unverified; in place of nodes that fail others are asked. Throws UNREACHABLE when nobody answers, or not enough
 * for a quorum, and what `Providers.first` throws.
 */
export async function askHeads(
  providers: Providers,
  clock: Clock,
  ask: (node: NodeId) => Promise<LightBlock>,
  freshness: Freshness,
  validators: ValidatorSet,
): Promise<readonly Answered<LightBlock>[]> {
  const heads =
    freshness === 'few'
      ? await gather(providers, clock, ask, providers.order(), 1 + LIGHT_WITNESSES)
      : await gatherQuorum(providers, clock, ask, validators);
  if (heads.length > 0) return heads;
  // Says why: nobody is known, all of them lied, or none can be reached.
  return [await providers.first('newest header of the chain', ask)];
}

async function gatherQuorum(
  providers: Providers,
  clock: Clock,
  ask: (node: NodeId) => Promise<LightBlock>,
  set: ValidatorSet,
): Promise<readonly Answered<LightBlock>[]> {
  const order = providers.order().filter((node) => indexOf(set, node) !== undefined);
  const powerIn = (heads: readonly Answered<LightBlock>[]): bigint =>
    heads.reduce((sum, { node }) => sum + powerOf(set, indexOf(set, node)!), 0n);
  const isEnough = (heads: readonly Answered<LightBlock>[]): boolean => isQuorum(set, powerIn(heads));
  const heads = await gather(providers, clock, ask, order, order.length, isEnough);
  if (isEnough(heads)) return heads;
  const what = `validators with ${powerIn(heads)} of ${set.totalPower} of all power answered`;
  throw new StoreError(
    'UNREACHABLE',
    `the newest header of the chain: ${what}, more than two thirds are needed`,
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
): Promise<readonly Answered<LightBlock>[]> {
  return new Promise((resolve, reject) => {
    const heads: Answered<LightBlock>[] = [];
    const waiting = new Map<string, NodeId>();
    let next = 0;
    let isOver = false;
    let cancel = (): void => undefined;
    const end = (): void => {
      isOver = true;
      cancel();
      resolve([...heads]);
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
          if (!providers.isLie(node, error)) providers.failure(node, error);
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
