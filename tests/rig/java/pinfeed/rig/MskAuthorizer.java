package pinfeed.rig;

import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;

/** Kafka's own authorizer, except that the right to write a topic does not imply the idempotent one: on MSK that is an
 *  action of its own (WriteDataIdempotently). */
public final class MskAuthorizer extends StandardAuthorizer {
    @Override
    public AuthorizationResult authorizeByResourceType(AuthorizableRequestContext context, AclOperation operation,
                                                       ResourceType type) {
        return AuthorizationResult.DENIED;
    }
}
