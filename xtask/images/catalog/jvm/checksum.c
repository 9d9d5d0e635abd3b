/* The native half: the sum of all bytes. */
#include <jni.h>

JNIEXPORT jlong JNICALL Java_Service_sum(JNIEnv *env, jclass type, jbyteArray bytes)
{
    (void)type;
    jsize length = (*env)->GetArrayLength(env, bytes);
    jbyte *data = (*env)->GetByteArrayElements(env, bytes, NULL);
    jlong sum = 0;
    if (data == NULL)
        return -1;
    for (jsize i = 0; i < length; i++)
        sum += (unsigned char)data[i];
    (*env)->ReleaseByteArrayElements(env, bytes, data, JNI_ABORT);
    return sum;
}
