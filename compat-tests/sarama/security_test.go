package sarama_test

import (
	"errors"
	"testing"

	"github.com/IBM/sarama"
)

// Access control lists need an authorizer; on Apache Kafka that is
//
//	--set authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
//	--set super.users=User:ANONYMOUS --set allow.everyone.if.no.acl.found=true
func TestAdminKeepsAccessControlLists(t *testing.T) {
	eachVersion(t, adminVersions, func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		topic := unique(t)
		resource := sarama.Resource{
			ResourceType: sarama.AclResourceTopic, ResourceName: topic,
			ResourcePatternType: sarama.AclPatternLiteral,
		}
		rule := sarama.Acl{
			Principal: "User:alice", Host: "*", Operation: sarama.AclOperationRead,
			PermissionType: sarama.AclPermissionAllow,
		}
		filter := sarama.AclFilter{
			ResourceType: sarama.AclResourceTopic, ResourceName: &topic,
			ResourcePatternTypeFilter: sarama.AclPatternLiteral,
			Operation:                 sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
		}
		_, err := admin.ListAcls(filter)
		if errors.Is(err, sarama.ErrSecurityDisabled) && theBroker.kind == "kafka" {
			t.Skip("this Apache Kafka has no authorizer")
		}
		must(t, "ListAcls", err)
		must(t, "CreateACL", admin.CreateACL(resource, rule))
		write := rule
		write.Operation = sarama.AclOperationWrite
		must(t, "CreateACLs", admin.CreateACLs([]*sarama.ResourceAcls{{Resource: resource, Acls: []*sarama.Acl{&write}}}))

		count := func() int {
			found := 0
			listed, err := admin.ListAcls(filter)
			must(t, "ListAcls", err)
			for _, acls := range listed {
				if acls.ResourceName != topic || acls.ResourceType != sarama.AclResourceTopic {
					t.Errorf("listed %+v", acls.Resource)
				}
				for _, acl := range acls.Acls {
					if acl.Principal != rule.Principal || acl.Host != rule.Host {
						t.Errorf("listed %+v", acl)
					}
					found++
				}
			}
			return found
		}
		eventually(t, "two rules are listed", func() bool { return count() == 2 })
		filter.Operation = sarama.AclOperationWrite
		deleted, err := admin.DeleteACL(filter, false)
		must(t, "DeleteACL", err)
		if len(deleted) != 1 || deleted[0].Operation != sarama.AclOperationWrite {
			t.Errorf("deleted %+v", deleted)
		}
		filter.Operation = sarama.AclOperationAny
		eventually(t, "one rule is left", func() bool { return count() == 1 })
	})
}

func TestAdminKeepsScramUsers(t *testing.T) {
	eachVersion(t, since(sarama.DefaultVersion), func(t testing.TB, version sarama.KafkaVersion) {
		admin := newAdmin(t, theBroker, version)
		user := unique(t)
		describe := func() *sarama.DescribeUserScramCredentialsResult {
			t.Helper()
			results, err := admin.DescribeUserScramCredentials([]string{user})
			must(t, "DescribeUserScramCredentials", err)
			if len(results) != 1 || results[0].User != user {
				t.Fatalf("described %+v", results)
			}
			return results[0]
		}
		if got := describe().ErrorCode; got != sarama.KError(91) { // RESOURCE_NOT_FOUND
			t.Errorf("a user that isn't there: %v", got)
		}
		changed, err := admin.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{
			Name: user, Mechanism: sarama.SCRAM_MECHANISM_SHA_256, Iterations: 8192,
			Salt: []byte("some salt"), Password: []byte("secret"),
		}})
		must(t, "UpsertUserScramCredentials", err)
		if len(changed) != 1 || changed[0].ErrorCode != sarama.ErrNoError {
			t.Fatalf("changed %+v", changed)
		}
		eventually(t, "the user has a credential", func() bool {
			got := describe()
			return got.ErrorCode == sarama.ErrNoError && len(got.CredentialInfos) == 1 &&
				got.CredentialInfos[0].Mechanism == sarama.SCRAM_MECHANISM_SHA_256 &&
				got.CredentialInfos[0].Iterations == 8192
		})
		removed, err := admin.DeleteUserScramCredentials([]sarama.AlterUserScramCredentialsDelete{
			{Name: user, Mechanism: sarama.SCRAM_MECHANISM_SHA_256},
		})
		must(t, "DeleteUserScramCredentials", err)
		if len(removed) != 1 || removed[0].ErrorCode != sarama.ErrNoError {
			t.Errorf("removed %+v", removed)
		}
		eventually(t, "the user is gone", func() bool { return describe().ErrorCode == sarama.KError(91) })
	})
}
