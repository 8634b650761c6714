/**
 * The kinds of field that a message can have. Small integers rather than names: the switch over them is on the hot
 * path. The scalars come first: `kind <= UINT64` is a varint on the wire.
 */
export const BOOL = 0;
export const UINT32 = 1;
/** u64 as a number of milliseconds; above 2^53-1 it decodes to 2^53-1 ("practically never"). */
export const TIME = 2;
/** u64 as a bigint, exact. */
export const UINT64 = 3;
export const STRING = 4;
export const BYTES = 5;
/** `Value{content:bytes=1}` as its content. */
export const VALUE = 6;
/** `Void{}` as `true`. */
export const VOID = 7;
export const MESSAGE = 8;

export type FieldKind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
