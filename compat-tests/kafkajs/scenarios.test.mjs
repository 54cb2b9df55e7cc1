// What Node programs do with kafkajs: Produce 3 to 7, Fetch 4 to 11, JoinGroup 5, CreateTopics 3, never flexible.
import assert from 'node:assert/strict'
import kafkajs from 'kafkajs'
import SnappyCodec from 'kafkajs-snappy'
import lz4 from 'lz4-napi'
import * as zstd from '@bokuweb/zstd-wasm'
import { collect, numbered, read, runAll, scenario, unique, until } from './kit.mjs'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, PartitionAssigners } = kafkajs
const { AssignerProtocol } = kafkajs

await zstd.init()
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: encoder => lz4.compressFrame(encoder.buffer),
  decompress: buffer => lz4.decompressFrame(buffer),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
})

const values = messages => messages.map(({ value }) => value?.toString())
const asMessages = texts => texts.map(value => ({ value, partition: 0 }))

for (const acks of [0, 1, -1]) {
  scenario(`acks ${acks}`, async clients => {
    const topic = await clients.topic()
    const producer = await clients.producer()
    const answers = []
    for (const text of numbered('v', 10)) answers.push(await producer.send({ topic, acks, messages: asMessages([text]) }))
    if (acks !== 0) assert.deepEqual(answers.map(([answer]) => answer.baseOffset), numbered('', 10).map((_, i) => `${i}`))
    assert.deepEqual(values(await read(clients, topic, 10)), numbered('v', 10))
  })
}

for (const [name, compression] of Object.entries(CompressionTypes)) {
  scenario(`compressed with ${name}`, async clients => {
    const topic = await clients.topic()
    const texts = numbered('long '.repeat(100), 100)
    await (await clients.producer()).send({ topic, compression, messages: asMessages(texts) })
    assert.deepEqual(values(await read(clients, topic, 100)), texts)
  })
}

scenario('keys, headers, tombstones and timestamps', async clients => {
  const topic = await clients.topic()
  const producer = await clients.producer()
  await producer.send({
    topic,
    messages: [
      { key: 'k', value: 'v', headers: { one: '1', many: ['a', 'b'] }, timestamp: '1234567890123' },
      { key: 'k', value: null },
      { value: '' },
    ],
  })
  const [full, tombstone, empty] = await read(clients, topic, 3)
  assert.equal(full.key.toString(), 'k')
  assert.equal(full.timestamp, '1234567890123')
  assert.equal(full.headers.one.toString(), '1')
  assert.deepEqual(full.headers.many.map(String), ['a', 'b'])
  assert.equal(tombstone.value, null)
  assert.equal(empty.key, null)
  assert.equal(empty.value.toString(), '')
})

scenario('an idempotent producer writes once and in order', async clients => {
  const topic = await clients.topic()
  const producer = await clients.producer({ idempotent: true, maxInFlightRequests: 1 })
  for (let i = 0; i < 50; i += 1) await producer.send({ topic, messages: asMessages(numbered(`v${i}`, 3)) })
  const messages = await read(clients, topic, 150)
  assert.deepEqual(values(messages), numbered('', 50).flatMap((_, i) => numbered(`v${i}`, 3)))
  assert.deepEqual(messages.map(({ offset }) => Number(offset)), numbered('', 150).map((_, i) => i))
})

scenario('equal keys go to one partition, batches to many topics', async clients => {
  const topics = [await clients.topic(4), await clients.topic(4)]
  const producer = await clients.producer()
  const messages = numbered('k', 20).map(key => ({ key, value: key }))
  await producer.sendBatch({ topicMessages: topics.map(topic => ({ topic, messages })) })
  const places = []
  for (const topic of topics) {
    const consumer = await clients.consumer({ groupId: unique('group') })
    const seen = await collect(consumer, topic)
    await until('all messages', () => seen.length >= 20)
    places.push(Object.fromEntries(seen.map(({ partition, message }) => [message.key.toString(), partition])))
  }
  assert.deepEqual(places[0], places[1])
})

scenario('a message over the broker\'s limit is refused', async clients => {
  const topic = await clients.topic()
  const producer = await clients.producer({ retry: { retries: 0 } })
  await assert.rejects(
    producer.send({ topic, messages: [{ value: Buffer.alloc(2_000_000) }] }),
    error => (error.cause ?? error).type === 'MESSAGE_TOO_LARGE',
  )
})

scenario('producing makes a topic that is missing', async clients => {
  const topic = unique('made-by-use')
  const producer = await clients.producer({ allowAutoTopicCreation: true })
  const [answer] = await producer.send({ topic, messages: [{ value: 'first' }] })
  assert.equal(answer.errorCode, 0)
})

// reading

scenario('reading starts at the end unless told otherwise', async clients => {
  const topic = await clients.topic()
  const producer = await clients.producer()
  await producer.send({ topic, messages: asMessages(['old']) })
  const consumer = await clients.consumer({ groupId: unique('group') })
  const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve))
  const fetched = new Promise(resolve => consumer.on(consumer.events.FETCH, resolve))
  const seen = await collect(consumer, topic, false)
  await joined
  await fetched
  await producer.send({ topic, messages: asMessages(['new']) })
  await until('a message', () => seen.length)
  assert.deepEqual(seen.map(({ message }) => message.value.toString()), ['new'])
})

scenario('seek, pause and resume', async clients => {
  const topic = await clients.topic()
  const producer = await clients.producer()
  await producer.send({ topic, messages: asMessages(numbered('v', 10)) })
  const consumer = await clients.consumer({ groupId: unique('group') })
  const seen = await collect(consumer, topic)
  await until('all', () => seen.length === 10)
  consumer.seek({ topic, partition: 0, offset: '7' })
  await until('three more', () => seen.length === 13)
  assert.deepEqual(seen.slice(10).map(({ message }) => message.offset), ['7', '8', '9'])
  consumer.pause([{ topic }])
  assert.deepEqual(consumer.paused(), [{ topic, partitions: [0] }])
  await producer.send({ topic, messages: asMessages(['held']) })
  consumer.resume([{ topic }])
  await until('the last', () => seen.length === 14)
})

scenario('an offset out of range is reset', async clients => {
  const topic = await clients.topic()
  await (await clients.producer()).send({ topic, messages: asMessages(['v']) })
  const consumer = await clients.consumer({ groupId: unique('group') })
  const seen = await collect(consumer, topic)
  await until('the message', () => seen.length === 1)
  consumer.seek({ topic, partition: 0, offset: '1000' })
  await until('the message again', () => seen.length === 2)
})

scenario('offsets of a topic and of a time', async clients => {
  const topic = await clients.topic()
  const messages = numbered('v', 10).map((value, i) => ({ value, timestamp: `${1_700_000_000_000 + i * 1000}` }))
  await (await clients.producer()).send({ topic, messages })
  const admin = await clients.admin()
  const [found] = await admin.fetchTopicOffsets(topic)
  assert.deepEqual({ ...found }, { partition: 0, offset: '10', high: '10', low: '0' })
  assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_003_500), [{ partition: 0, offset: '4' }])
  assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, 1_800_000_000_000), [{ partition: 0, offset: '10' }])
})

// groups

scenario('two members share a topic and the next goes on', async clients => {
  const topic = await clients.topic(4)
  const groupId = unique('group')
  const members = []
  for (let i = 0; i < 2; i += 1) {
    const consumer = await clients.consumer({ groupId })
    const member = { consumer, owned: 0 }
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      member.owned = (payload.memberAssignment[topic] ?? []).length
    })
    member.seen = await collect(consumer, topic)
    members.push(member)
  }
  await until('two partitions each', () => members.every(({ owned }) => owned === 2))
  const producer = await clients.producer()
  const messages = numbered('v', 40).map((value, i) => ({ value, partition: i % 4 }))
  await producer.send({ topic, messages })
  await until('all is read', () => members.every(({ seen }) => seen.length >= 20))
  const texts = members.flatMap(({ seen }) => seen.map(({ message }) => message.value.toString()))
  assert.deepEqual(texts.sort(), numbered('v', 40).sort())
  await Promise.all(members.map(({ consumer }) => consumer.disconnect()))
  const admin = await clients.admin()
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
  assert.deepEqual(committed.partitions.map(({ offset }) => offset), ['10', '10', '10', '10'])
  await producer.send({ topic, messages: [{ value: 'later', partition: 2 }] })
  const third = await collect(await clients.consumer({ groupId }), topic)
  await until('the third goes on', () => third.length)
  assert.deepEqual(third.map(({ message }) => message.value.toString()), ['later'])
})

scenario('commits by hand carry metadata', async clients => {
  const topic = await clients.topic()
  const groupId = unique('group')
  await (await clients.producer()).send({ topic, messages: asMessages(numbered('v', 5)) })
  const consumer = await clients.consumer({ groupId })
  const seen = await collect(consumer, topic, true, { autoCommit: false })
  await until('all', () => seen.length === 5)
  await consumer.commitOffsets([{ topic, partition: 0, offset: '3', metadata: 'a note' }])
  const [found] = await (await clients.admin()).fetchOffsets({ groupId })
  assert.deepEqual(found.partitions.map(one => ({ ...one })), [{ partition: 0, offset: '3', metadata: 'a note' }])
})

scenario('a group\'s offsets are set and reset', async clients => {
  const topic = await clients.topic(2)
  const groupId = unique('group')
  const admin = await clients.admin()
  const producer = await clients.producer()
  await producer.send({ topic, messages: [0, 1].flatMap(partition => numbered('v', 4).map(value => ({ value, partition }))) })
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '3' }, { partition: 1, offset: '1' }] })
  const seen = await collect(await clients.consumer({ groupId }), topic)
  await until('four messages', () => seen.length >= 4)
  assert.deepEqual(seen.filter(({ partition }) => partition === 0).map(({ message }) => message.offset), ['3'])
})

scenario('an assigner of one\'s own', async clients => {
  const topic = await clients.topic(3)
  const all = ({ cluster }) => ({
    name: 'AllToTheFirst',
    version: 1,
    async assign({ members, topics }) {
      const first = members.map(({ memberId }) => memberId).sort()[0]
      const assignment = Object.fromEntries(topics.map(name => [name, cluster.findTopicPartitionMetadata(name).map(p => p.partitionId)]))
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: 1,
          assignment: memberId === first ? assignment : {},
        }),
      }))
    },
    protocol: ({ topics }) => ({
      name: 'AllToTheFirst',
      metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics }),
    }),
  })
  const consumer = await clients.consumer({ groupId: unique('group'), partitionAssigners: [all, PartitionAssigners.roundRobin] })
  let joined
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => (joined = payload))
  await collect(consumer, topic)
  await until('it has joined', () => joined)
  assert.equal(joined.groupProtocol, 'AllToTheFirst')
  assert.deepEqual(joined.memberAssignment[topic], [0, 1, 2])
})

// administration

scenario('topics are created, described, extended and deleted', async clients => {
  const admin = await clients.admin()
  const topic = unique('topic')
  const wanted = { topic, numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '60000' }] }
  assert.equal(await admin.createTopics({ waitForLeaders: true, topics: [wanted] }), true)
  assert.equal(await admin.createTopics({ topics: [wanted] }), false) // it is there
  assert.equal(await admin.createTopics({ validateOnly: true, waitForLeaders: false, topics: [{ ...wanted, topic: unique('topic') }] }), true)
  assert.ok((await admin.listTopics()).includes(topic))
  const described = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions
  assert.equal((await described()).length, 3)
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  await until('two more partitions', async () => (await described()).length === 5)
  const { resources } = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })
  assert.equal(resources[0].configEntries.find(({ configName }) => configName === 'retention.ms').configValue, '60000')
  await admin.deleteTopics({ topics: [topic] })
  await until('it is gone', async () => !(await admin.listTopics()).includes(topic))
  await assert.rejects(admin.createTopics({ topics: [{ topic: 'no/such' }] }), error => /INVALID_TOPIC/.test(JSON.stringify(error.errors ?? error)))
})

scenario('a config is altered', async clients => {
  const admin = await clients.admin()
  const topic = await clients.topic()
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '4321' }] }] })
  await until('the new value', async () => {
    const { resources } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }] })
    return resources[0].configEntries[0].configValue === '4321'
  })
})

scenario('records are deleted', async clients => {
  const admin = await clients.admin()
  const topic = await clients.topic()
  await (await clients.producer()).send({ topic, messages: asMessages(numbered('v', 6)) })
  await admin.fetchTopicOffsets(topic) // kafkajs deletes only where it knows the leader already
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
  assert.equal((await admin.fetchTopicOffsets(topic))[0].low, '4')
  assert.deepEqual(values(await read(clients, topic, 2)), ['v-4', 'v-5'])
})

scenario('groups are listed, described and deleted', async clients => {
  const admin = await clients.admin()
  const topic = await clients.topic()
  const groupId = unique('group')
  const consumer = await clients.consumer({ groupId })
  const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await collect(consumer, topic)
  await joined
  assert.ok((await admin.listGroups()).groups.some(group => group.groupId === groupId && group.protocolType === 'consumer'))
  const { groups } = await admin.describeGroups([groupId])
  assert.deepEqual([groups[0].state, groups[0].members.length], ['Stable', 1])
  await assert.rejects(admin.deleteGroups([groupId]), error => error.groups[0].error.type === 'NON_EMPTY_GROUP')
  await consumer.disconnect()
  assert.equal((await admin.deleteGroups([groupId]))[0].errorCode, 0)
})

scenario('the cluster is described', async clients => {
  const found = await (await clients.admin()).describeCluster()
  assert.ok(found.clusterId)
  assert.ok(found.brokers.some(({ nodeId }) => nodeId === found.controller))
})

// what comes later

scenario('transactions', async clients => {
  const topic = await clients.topic()
  const producer = await clients.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
  for (const [value, end] of [['committed', 'commit'], ['aborted', 'abort'], ['last', 'commit']]) {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: asMessages([value]) })
    await transaction[end]()
  }
  assert.deepEqual(values(await read(clients, topic, 2, { readUncommitted: false })), ['committed', 'last'])
})

runAll()
