/** The chance that a value of the one is above a value of the other: 0.5 when nothing tells them apart. */
export function auc(one: readonly number[], other: readonly number[]): number {
  return uOf(one, other) / (one.length * other.length)
}

/** The Mann–Whitney test of two samples, by the normal approximation. @returns its z, and how likely chance alone is so far off */
export function compare(one: readonly number[], other: readonly number[]): { readonly z: number; readonly p: number } {
  const [n, m] = [one.length, other.length]
  const z = (uOf(one, other) - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12)
  return { z, p: 2 * upperTail(Math.abs(z)) }
}

/** A value that a share of all lies below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

function uOf(one: readonly number[], other: readonly number[]): number {
  let u = 0
  for (const a of one) for (const b of other) u += a > b ? 1 : a === b ? 0.5 : 0
  return u
}

/** Of the normal distribution, by Abramowitz and Stegun 26.2.17. */
function upperTail(z: number): number {
  const k = 1 / (1 + 0.2316419 * z)
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
  const sum = series.reduceRight((all, factor) => (all + factor) * k, 0)
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum
}
