// What can happen in a forecast.

export type ForecastEvent =
  /** The node is gone for good, with its disk. */
  | { readonly kind: 'death'; readonly node: number }
  /** It cannot be reached for a while, and comes back with its disk. */
  | { readonly kind: 'outage'; readonly node: number }
  | { readonly kind: 'return'; readonly node: number }
  /** An audit round ends for a node that was silent in the last one, or is again. */
  | { readonly kind: 'audit'; readonly node: number }
  | { readonly kind: 'join' }
  /** Some of what the node holds rots, and nobody knows. */
  | { readonly kind: 'rot'; readonly node: number }
  /** The audit round of a node that hides damage. */
  | { readonly kind: 'draw'; readonly node: number }
  /** A round of rebalancing. */
  | { readonly kind: 'settle' }
  /** A share of all nodes is gone within a minute. */
  | { readonly kind: 'disaster' }
  /** A lead has rebuilt a segment. */
  | { readonly kind: 'repaired'; readonly node: number; readonly segment: number }
  /** The next slot of leases begins. */
  | { readonly kind: 'slot' }
  /** Segments that were left out are looked at again. */
  | { readonly kind: 'scan' };
