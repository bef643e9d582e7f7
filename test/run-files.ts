import t from 'tap'

// Runs test files as processes and says on stdout what came of them, as TAP. Called by `run.ts`, with files as arguments.
// TEST_JOBS: how many at once. TAP_TIMEOUT: how long each may take, and each test in it, in seconds.

/**
 * As plain processes of Node: tap's own runner has hooks for modules in every process, those that tests start, too. A gateway takes
 * twice as long to start with them, and is not what operators run.
 */
const PLAIN = ['-c', 'unset NODE_OPTIONS; exec "$0" "$@"', process.execPath]

t.setTimeout(0)
t.jobs = Number(process.env.TEST_JOBS)
for (const file of process.argv.slice(2)) {
  t.spawn('sh', [...PLAIN, file], { buffered: true, timeout: 1_000 * Number(process.env.TAP_TIMEOUT) }, file)
}
