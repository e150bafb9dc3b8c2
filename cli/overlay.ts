// The live overlay as a graph: who has a connection to whom, and how evenly. This is the measured form of two statements
// of docs/theory.md: Def 1.1 (nodes, links, messages, state, protocol) and Prop 1.1 (no node's degree exceeds the
// average by more than delta). Pure.

import type { NetworkView } from '../src/client/types.ts';

interface NodeDegree {
  readonly node: string;
  /** Members this node is linked with, as it or the other end says. */
  readonly degree: number;
}

export interface Overlay {
  readonly degrees: readonly NodeDegree[];
  /** Undirected links between members. */
  readonly links: number;
  /** Links there would be if everyone were linked with everyone. */
  readonly possibleLinks: number;
  readonly averageDegree: number;
  /** Prop 1.1 as measured: the least delta for which it holds, max(degree) - average. */
  readonly largestExcess: number;
  readonly delta: number;
  /** Nodes whose degree exceeds the average by more than `delta`. */
  readonly outliers: readonly NodeDegree[];
}

/**
 * The overlay among the members that answered. `delta` defaults to half the average: a node with more than one and a half
 * times the usual links is one whose loss would be felt.
 */
export function measureOverlay(members: NetworkView['members'], delta?: number): Overlay {
  const answering = members.filter(({ status }) => status !== undefined);
  const known = new Set(answering.map(({ node }) => node));
  const neighbours = new Map(answering.map(({ node }) => [node, new Set<string>()]));
  for (const { node, status } of answering) {
    for (const peer of status?.peers ?? []) {
      if (peer === node || !known.has(peer)) continue;
      neighbours.get(node)!.add(peer);
      neighbours.get(peer)!.add(node);
    }
  }
  const degrees = answering.map(({ node }) => ({ node, degree: neighbours.get(node)!.size }));
  const total = degrees.reduce((sum, { degree }) => sum + degree, 0);
  const averageDegree = degrees.length === 0 ? 0 : total / degrees.length;
  const limit = delta ?? averageDegree / 2;
  return {
    degrees,
    links: total / 2,
    possibleLinks: (degrees.length * (degrees.length - 1)) / 2,
    averageDegree,
    largestExcess: Math.max(0, ...degrees.map(({ degree }) => degree - averageDegree)),
    delta: limit,
    outliers: degrees.filter(({ degree }) => degree - averageDegree > limit),
  };
}
