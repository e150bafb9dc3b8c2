// Network constants fixed at genesis and carried in every epoch record. Defaults only; the record in force decides.

export interface NetworkParams {
  /** The network has 2^shardBits shards. */
  readonly shardBits: number;
  /** Storage members of a shard, where there are that many. */
  readonly shardMembersMin: number;
  /** Largest share of a shard's members that one operator may hold, as 1/x. */
  readonly operatorShareDivisor: number;
  /** True for a one-machine trial: its members are not independent, and every status says so. */
  readonly isTrial: boolean;
}

export const DEFAULT_PARAMS: NetworkParams = {
  shardBits: 0,
  shardMembersMin: 16,
  operatorShareDivisor: 4,
  isTrial: false,
};
