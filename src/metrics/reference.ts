import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Definition, METRICS } from './definitions.ts'

/** Every metric, for METRICS.md: name, kind, labels, meaning, in the order of the definitions. */
export function renderMetrics(): string {
  const rows = Object.entries<Definition>(METRICS).map(
    ([name, { kind, labels, help }]) =>
      `| \`${name}\` | ${kind} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`
  )
  return `# Every metric

Generated from src/metrics/definitions.ts by \`npm run docs\`. \`GET /metrics\` of the second listener has them, and beside them
those of Node and its process (\`nodejs_…\`, \`process_…\`).

\`team\` and \`model\` are names of the configuration, or served by an engine, else \`other\`, or \`none\` where a request named none.
\`op\` is the operation of the audit log, \`route\` for one that \`access.routes\` opens. A metric has a bounded number of series; what
comes then is counted with \`other\` in every label, and in \`tollgate_metric_series_dropped_total\`. No label holds a token, an
address of a caller or a path. \`sub\` is a subject, or its hash with \`metrics.subject_key\`; only the \`metrics.top_subjects\` with
the most stand there. config/alerts.yml has alerting rules for Prometheus.

| metric | kind | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

if (import.meta.main) writeFileSync(resolve(import.meta.dirname, '../../config/METRICS.md'), renderMetrics())
