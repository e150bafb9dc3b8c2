// How the loss of a piece is known, from the cheapest for its holder to the dearest.

/** Silent for so long that it counts as lost; admitted by the holder; failed in an audit while the holder answered. */
export const LOSS_KINDS = ['silent', 'admitted', 'failed'] as const;
export type LossKind = (typeof LOSS_KINDS)[number];
