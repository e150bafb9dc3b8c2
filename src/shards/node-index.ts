// Which nodes there are, so that an epoch's border can visit all: pages of registrations without gaps. A node knows its place; when one
// leaves, the last takes its place. So a change touches three records at most, whatever the number of nodes is.

import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { uint32 } from '../base/bytes.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import type { NodeId } from '../base/ids.ts';
import { MEMBERS_MAX, NODE_INDEX_PAGE } from '../base/limits.ts';
import { nodeOf, type NodeRecord, putNode, type Registration } from './node.ts';
import { readAll } from './read-all.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

const countRecord: RecordType<number> = {
  name: 'node count',
  schema: z.tuple([uint(MEMBERS_MAX)]).transform(([count]) => count),
  tuple: (count) => [count],
};

const pageRecord: RecordType<readonly Registration[]> = {
  name: 'node index page',
  schema: z.tuple([listOf(digestOf<NodeId>(), NODE_INDEX_PAGE)]).transform(([page]) => page),
  tuple: (page) => [page],
};

export const nodeCountKey = (): StateKey => systemKey('node-index');

const nodePageKey = (page: number): StateKey => systemKey('node-index', uint32(page));

export function nodeCount(state: Overlay): number {
  return state.get(nodeCountKey(), countRecord) ?? 0;
}

/** The place of a new node, which is now taken; undefined when the network is full. */
export function takePlace(state: Overlay, registration: Registration): number | undefined {
  const place = nodeCount(state);
  if (place === MEMBERS_MAX) return undefined;
  const number = Math.floor(place / NODE_INDEX_PAGE);
  putPage(state, number, [...pageOf(state, number), registration]);
  state.put(nodeCountKey(), countRecord, place + 1);
  return place;
}

/** The last node moves to where `node` stood. */
export function leavePlace(state: Overlay, node: NodeRecord): void {
  const last = nodeCount(state) - 1;
  const lastPage = Math.floor(last / NODE_INDEX_PAGE);
  const page = pageOf(state, lastPage);
  const moved = page.at(-1);
  assert(moved !== undefined && node.place <= last, 'a node that leaves stands in the index');
  putPage(state, lastPage, page.slice(0, -1));
  state.put(nodeCountKey(), countRecord, last);
  if (node.place === last) return;
  const number = Math.floor(node.place / NODE_INDEX_PAGE);
  putPage(state, number, pageOf(state, number).with(node.place % NODE_INDEX_PAGE, moved));
  const movedNode = nodeOf(state, moved);
  assert(movedNode !== undefined, 'the index lists nodes that there are');
  putNode(state, { ...movedNode, place: node.place });
}

/** All that are not retired, by place. */
export function allRegistrations(state: Overlay): readonly Registration[] {
  const keys = nodePageKeys(nodeCount(state));
  readAll(state, keys);
  return keys.flatMap((key) => state.get(key, pageRecord) ?? []);
}

/** Of an index of `count` nodes. */
export function nodePageKeys(count: number): readonly StateKey[] {
  return Array.from({ length: Math.ceil(count / NODE_INDEX_PAGE) }, (_, page) => nodePageKey(page));
}

function pageOf(state: Overlay, number: number): readonly Registration[] {
  return state.get(nodePageKey(number), pageRecord) ?? [];
}

function putPage(state: Overlay, number: number, page: readonly Registration[]): void {
  if (page.length === 0) state.remove(nodePageKey(number));
  else state.put(nodePageKey(number), pageRecord, page);
}
